import pg from 'pg'
import { databaseError } from '../database/index.ts'
import { type ErrorCode, KilnError, messageOf } from '../errors/index.ts'
import type { Migration, Statement } from './migration-file.ts'
import { offsetOfCharacter, positionAt } from './text-position.ts'

/** Errors that say more about the server or the role than about the migration. */
const ownCodes: readonly ErrorCode[] = [
  'DATABASE_CONNECTION_FAILED',
  'DATABASE_BUSY',
  'PERMISSION_DENIED',
  'DISK_FULL',
]

/** `file:line:column` of a statement, or of the place in it that the server's error names. */
export function locationOf(migration: Migration, statement: Statement, error?: unknown): string {
  const inside =
    error instanceof pg.DatabaseError && error.position !== undefined
      ? offsetOfCharacter(statement.sql, Number(error.position) - 1)
      : 0
  const { line, column } = positionAt(migration.content, statement.offset + inside)
  return `${migration.fileName}:${line}:${column}`
}

/**
 * The error of a migration's statement: where in the file, what Postgres says and advises, and
 * what has become of the statements before.
 */
export function statementError(
  migration: Migration,
  statement: Statement,
  error: unknown,
  outcome: string,
): KilnError {
  const known = databaseError(error)
  const location = locationOf(migration, statement, error)
  const server = error instanceof pg.DatabaseError ? error : undefined
  const detail = server?.detail ? ` (${server.detail})` : ''
  const code = ownCodes.includes(known.code) ? known.code : 'MIGRATION_FAILED'
  const hint =
    server?.hint ??
    (code === 'MIGRATION_FAILED' ? adviceFor(server?.code) : (known.hint ?? adviceFor(undefined)))
  return new KilnError(code, `${location}: ${messageOf(error)}${detail}; ${outcome}`, {
    hint,
    cause: error,
    details: {
      file: migration.fileName,
      version: migration.version,
      location,
      sqlstate: server?.code ?? null,
    },
  })
}

function adviceFor(sqlstate: string | undefined): string {
  // duplicate_table, duplicate_object, duplicate_function: made before by other means.
  return sqlstate !== undefined && ['42P07', '42710', '42723'].includes(sqlstate)
    ? 'if this schema was made by other means, record it without running: kiln migrate baseline VERSION'
    : 'correct the file, then run: kiln migrate'
}
