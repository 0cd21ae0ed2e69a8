import { CamelCasePlugin, Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely'
import type pg from 'pg'
import { recordAudit } from '../audit/index.ts'
import type { DB } from '../database/index.ts'
import { errorCodeOf } from '../errors/index.ts'
import type { Session } from './session.ts'

/** undefined_table, undefined_column: the audit log has not been made, or not yet as it is now. */
const notThere = ['42P01', '42703']

/**
 * Writes an audit row inside the running transaction, or none while the audit log itself has not
 * been migrated. Returns whether there is a row.
 */
export async function recordChange(
  session: Session,
  action: string,
  target: { readonly version: string; readonly name: string },
  details: Readonly<Record<string, unknown>> = {},
): Promise<boolean> {
  const { operator } = session
  if (!operator) return false
  await session.query('savepoint kiln_audit')
  try {
    await session.query(`select set_config('search_path', $1, true)`, [session.searchPath])
    await recordAudit(queriesOn(session.client), operator, {
      action,
      targetType: 'migration',
      targetId: target.version,
      targetName: target.name,
      details,
    })
  } catch (error) {
    if (!notThere.includes(errorCodeOf(error) ?? '')) throw error
    await session.query('rollback to savepoint kiln_audit')
    return false
  }
  await session.query('release savepoint kiln_audit')
  return true
}

/** Kysely over a connection that has a transaction open already. */
function queriesOn(client: pg.Client): Kysely<DB> {
  const connection: PostgresPoolClient = {
    query: client.query.bind(client) as PostgresPoolClient['query'],
    release: () => undefined,
  }
  return new Kysely<DB>({
    dialect: new PostgresDialect({
      pool: { connect: async () => connection, end: async () => undefined, options: {} },
    }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  })
}
