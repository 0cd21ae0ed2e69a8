import type { Operator } from '../../context.ts'
import { databaseError, isDatabaseError, isLockTimeout } from '../../database/index.ts'
import { KilnError, messageOf } from '../../errors/index.ts'
import { type Dependents, readDependents } from './dependents.ts'
import type { ExtraColumn } from './extra-columns.ts'
import { exchangeTables } from './exchange-tables.ts'
import { fillInPlace } from './fill-in-place.ts'
import {
  type RestoreMethod,
  abandonRestore,
  auditRestore,
  beginRecord,
  noteAddedColumns,
  oldSchemaOf,
  setState,
  stagingSchemaOf,
} from './restore-record.ts'
import { type RestoreSession, inTransaction, quoted } from './session.ts'
import { type StageTablesInput, type StagedTables, stageTables } from './stage-tables.ts'

export interface RestoreTablesInput extends StageTablesInput {
  readonly id: string
  /** The set or file, for the record. */
  readonly source: string
  readonly details: Readonly<Record<string, unknown>>
  readonly operator: Operator
}

export interface RestoredTables extends StagedTables {
  readonly id: string
  readonly method: RestoreMethod
  /** Where the tables of before are; null where nobody needs them. */
  readonly oldSchema: string | null
  readonly dependents: Dependents
}

/** For all the tables at once, against whoever reads them; asked anew, so that readers behind us go on. */
const lockTimeoutMs = 5000
const lockAttempts = 6

/** Loads tables beside the live ones and puts them into their place, in one transaction. */
export async function restoreTables(
  session: RestoreSession,
  input: RestoreTablesInput,
): Promise<RestoredTables> {
  const dependents = await readDependents(session)
  const method = methodOf(dependents)
  const { id, source, details } = input
  await beginRecord(session, { id, source, method, details })
  try {
    const place = { schema: stagingSchemaOf(id), purpose: method }
    const staged = await stageTables(session, input, place)
    await setState(session, id, 'staged')
    await input.onStep?.('staged')
    await finish(session, input, method, dependents, staged.added)
    await input.onStep?.('done')
    return { id, method, oldSchema: oldSchemaOf(id), dependents, ...staged }
  } catch (error) {
    // Where the connection is gone, the next restore does it. If we die here, so it does.
    await abandonRestore(session, id).catch(() => undefined)
    throw explainRefusal(error, source, session)
  }
}

/** What breaks the rules of the tables is the fault of what was loaded. */
export function explainRefusal(error: unknown, source: string, session: RestoreSession): unknown {
  if (!isDatabaseError(error)) return error
  const { code = '', detail } = error as { readonly code?: string; readonly detail?: string }
  if (!code.startsWith('23')) return databaseError(error, session.target.label)
  return new KilnError(
    'BACKUP_DATA_INVALID',
    `${source} breaks a rule of the tables: ${messageOf(error)}${detail === undefined ? '' : ` (${detail})`}`,
    { hint: 'nothing was changed; correct the rows, or use another backup', cause: error },
  )
}

/** Of an earlier restore that was killed between its last check and its commit. */
export async function finishRestore(
  session: RestoreSession,
  input: Pick<RestoreTablesInput, 'id' | 'source' | 'operator' | 'onStep' | 'onProgress'>,
  method: RestoreMethod,
): Promise<void> {
  await finish(session, input, method, await readDependents(session))
  await input.onStep?.('done')
}

/** What knows a table by what it is would go on showing the old one. */
export const methodOf = (dependents: Dependents): RestoreMethod =>
  dependents.bound.length > 0 ? 'in_place' : 'exchange'

async function finish(
  session: RestoreSession,
  {
    id,
    source,
    operator,
    onStep,
    onProgress,
  }: Pick<RestoreTablesInput, 'id' | 'source' | 'operator' | 'onStep' | 'onProgress'>,
  method: RestoreMethod,
  { foreignKeys }: Dependents,
  added: readonly ExtraColumn[] = [],
): Promise<void> {
  onProgress?.({ phase: 'exchanging' })
  await withLockRetries(session, async () => {
    const schemas = { incoming: stagingSchemaOf(id), outgoing: oldSchemaOf(id) }
    if (method === 'exchange') {
      await exchangeTables(session, { ...schemas, outsideKeys: foreignKeys })
    } else await fillInPlace(session, { ...schemas, outsideKeys: foreignKeys, added })
    await session.query(`drop schema ${quoted(schemas.incoming)} cascade`)
    await setState(session, id, 'done', schemas.outgoing)
    if (added.length > 0) await noteAddedColumns(session, id, added)
    await auditRestore(session, operator, 'restore.postgres', id, { source, method })
    // If we die here, all of it is undone; after the commit, all of it is done.
    await onStep?.('exchanged')
  })
}

/** Runs a transaction that locks all the tables; readers and writers that are in it are waited for. */
export async function withLockRetries(
  session: RestoreSession,
  work: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await inTransaction(session, async () => {
        await session.query(`set local lock_timeout = ${lockTimeoutMs}`)
        await work()
      })
      return
    } catch (error) {
      if (!isLockTimeout(error)) throw explainReferences(error)
      if (attempt === lockAttempts) {
        throw new KilnError(
          'LOCK_TIMEOUT',
          `the tables were in use for ${(lockAttempts * lockTimeoutMs) / 1000} s`,
          {
            hint: 'end the transactions that use them (pg_stat_activity), then try again',
            cause: error,
          },
        )
      }
    }
  }
}

/** Tables of others may refer to rows that the backup has not. */
function explainReferences(error: unknown): unknown {
  const { code, table, constraint, detail } = error as {
    code?: string
    table?: string
    constraint?: string
    detail?: string
  }
  if (code !== '23503') return error
  return new KilnError(
    'RESTORE_REFUSED',
    `rows of ${table ?? 'another table'} refer to what the backup does not have (${constraint ?? ''}: ${detail ?? ''})`,
    {
      hint: 'delete those rows or drop the foreign key, then try again: nothing was changed',
      cause: error,
    },
  )
}
