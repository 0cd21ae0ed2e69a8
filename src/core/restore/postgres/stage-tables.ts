import { availableParallelism } from 'node:os'
import { KilnError } from '../../errors/index.ts'
import type { OnRestoreProgress, OnRestoreStep } from '../progress.ts'
import type { ExtraColumn } from './extra-columns.ts'
import { type KeptTable, keepOthers } from './keep-others.ts'
import { type LiveTable, readLiveTables } from './live-tables.ts'
import { type RestoreSession, quoted } from './session.ts'
import { type SettledRows, settleRows } from './settle-rows.ts'
import {
  addForeignKeys,
  addKeys,
  closeGaps,
  createStaging,
  fillGaps,
  stagedIndex,
  takeOverBelongings,
} from './staging.ts'
import { StagingLoader, inParallel, openHelpers } from './staging-loader.ts'
import { exchangedTables } from './table-roles.ts'

export interface StageTablesInput {
  /** Bytes of rows that will come; null where nobody knows. */
  readonly plainBytes: number | null
  /** A dump may lack tables, and columns that have a default. */
  readonly isPartial: boolean
  /** False: what the dump lacks is empty in a target that is not there yet; else the live rows stay. */
  readonly keepsOthers?: boolean | undefined
  /** Fills the tables; throws where what it loads is not what it should be. */
  readonly load: (loader: StagingLoader) => Promise<void>
  /** Changes staged rows before they are indexed. */
  readonly adapt?: ((session: RestoreSession, schema: string) => Promise<void>) | undefined
  readonly signal: AbortSignal
  readonly onProgress?: OnRestoreProgress | undefined
  readonly onStep?: OnRestoreStep | undefined
}

export interface StagedTables {
  /** Rows by table, as they came. */
  readonly tables: readonly { readonly name: string; readonly rows: number }[]
  readonly kept: readonly KeptTable[]
  /** Columns that the rows brought and the live tables had not. */
  readonly added: readonly ExtraColumn[]
  readonly settled: SettledRows
}

export interface StagingPlace {
  readonly schema: string
  /** Becomes the live tables, or fills them, or is thrown away when the session ends. */
  readonly purpose: 'exchange' | 'in_place' | 'rehearsal'
}

/** Rows that get copied into the live tables need no log; nor are they published. */
const kinds = { exchange: '', in_place: 'unlogged', rehearsal: 'temporary' } as const

/** Where the tables of a rehearsal are: gone with the session, also after a SIGKILL. */
export const rehearsalSchema = 'pg_temp'

/**
 * Loads rows into tables like the live ones beside them, and proves that they keep all the rules. Those
 * of an exchange have indexes, references, owner and grants of the live tables afterwards.
 */
export async function stageTables(
  session: RestoreSession,
  input: StageTablesInput,
  { schema, purpose }: StagingPlace,
): Promise<StagedTables> {
  const { signal, onStep, onProgress, isPartial } = input
  const live = await readLiveTables(session, exchangedTables)
  // The connection of a restore loads too, and a second keeps the server busy while we unpack. Nobody
  // else sees temporary tables.
  const helperCount = purpose === 'rehearsal' ? 0 : Math.min(1, availableParallelism() - 1)
  const helpers = await openHelpers(session, helperCount, signal)
  const sessions = [session, ...helpers]
  try {
    await createStaging(session, live, {
      schema,
      kind: kinds[purpose],
      allowsGaps: isPartial,
    })
    await onStep?.('staging')
    let doneBytes = 0
    const loader = new StagingLoader({
      sessions,
      tables: live,
      schema,
      signal,
      onBytes: (bytes) => {
        doneBytes += bytes
        const rows = [...loader.loaded.values()].reduce((sum, count) => sum + count, 0)
        onProgress?.({ phase: 'loading', doneBytes, totalBytes: input.plainBytes, rows })
      },
    })
    await input.load(loader)
    await session.query(`set client_encoding = 'UTF8'`)
    const tables = await countRows(session, schema, loader.loaded)
    await onStep?.('loaded')
    const isKept = isPartial && input.keepsOthers !== false
    const kept = isKept ? await keepOthers(session, schema, new Set(loader.loaded.keys())) : []
    if (isPartial) await fillGaps(session, schema, live)
    for (const table of live) await addKeys(session, schema, table)
    const settled = await settleRows(session, schema)
    if (isPartial) await closeGaps(session, schema, live)
    await input.adapt?.(session, schema)
    await onStep?.('settled')
    if (purpose === 'exchange') await finishStaging(sessions, schema, live, onProgress)
    if (purpose === 'rehearsal') await proveRules(session, schema, live)
    await onStep?.('indexed')
    return { tables, kept, added: loader.added, settled }
  } finally {
    await Promise.all(helpers.map((helper) => helper.close()))
  }
}

async function countRows(
  session: RestoreSession,
  schema: string,
  loaded: ReadonlyMap<string, number>,
): Promise<StagedTables['tables']> {
  const tables: { name: string; rows: number }[] = []
  for (const [name, rows] of loaded) {
    const { rows: counted } = await session.query<{ count: number }>(
      `select count(*) as count from ${quoted(schema)}.${quoted(name)}`,
    )
    const count = Number(counted[0]?.count)
    if (count !== rows) {
      throw new KilnError('INTERNAL', `${name} has ${count} rows after ${rows} were loaded`)
    }
    tables.push({ name, rows })
  }
  return tables
}

/** Indexes and references as the live tables have them, those of operators too. */
async function finishStaging(
  sessions: readonly RestoreSession[],
  schema: string,
  live: readonly LiveTable[],
  onProgress: OnRestoreProgress | undefined,
): Promise<void> {
  const [session] = sessions
  if (!session) return
  const indexes = live.flatMap((table) =>
    table.indexes.map((index) => stagedIndex(schema, table, index)),
  )
  let done = 0
  await inParallel(sessions, indexes, async (worker, statement) => {
    await worker.query(`set maintenance_work_mem = '128MB'`)
    await worker.query(statement)
    done += 1
    onProgress?.({ phase: 'indexing', done, total: indexes.length })
  })
  await addForeignKeys(session, schema, live)
  for (const table of live) {
    // Else the first claims would be planned for empty tables.
    await session.query(`analyze ${quoted(schema)}.${quoted(table.name)}`)
    await takeOverBelongings(session, schema, table)
  }
}

/** What refuses rows: unique indexes and references. */
async function proveRules(
  session: RestoreSession,
  schema: string,
  live: readonly LiveTable[],
): Promise<void> {
  for (const table of live) {
    const unique = table.indexes.filter(({ definition }) => /^create unique /i.test(definition))
    for (const index of unique) await session.query(stagedIndex(schema, table, index))
  }
  // A temporary table refers to temporary ones only.
  const staged = live.map((table) => ({
    ...table,
    foreignKeys: table.foreignKeys.filter(({ definition }) =>
      live.some(({ name }) => definition.includes(`REFERENCES ${name}(`)),
    ),
  }))
  await addForeignKeys(session, schema, staged)
}
