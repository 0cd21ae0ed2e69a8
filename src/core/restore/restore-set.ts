import type { BackedUpPostgres, BackupSet } from '../backup/index.ts'
import { lockRepository } from '../backup/index.ts'
import type { Context } from '../context.ts'
import { hasSecretKey } from '../datasources/index.ts'
import { KilnError } from '../errors/index.ts'
import { openDataFolder } from '../os/index.ts'
import { type Dependents, readDependents } from './postgres/dependents.ts'
import { type ExtraColumn, extraColumns } from './postgres/extra-columns.ts'
import { readLiveTables } from './postgres/live-tables.ts'
import { releaseHeldJobs } from './postgres/release-held-jobs.ts'
import { abandonUnfinished, newRestoreId } from './postgres/restore-record.ts'
import { type RestoredTables, methodOf, restoreTables } from './postgres/restore-tables.ts'
import { type RestoreSession, withRestoreSession } from './postgres/session.ts'
import { exchangedTables } from './postgres/table-roles.ts'
import type { OnRestoreProgress, OnRestoreStep } from './progress.ts'
import { type RestoreTarget, withLockedTarget } from './restore-target.ts'
import { checkSet, missingMigrations, partOfSet, requireSpace } from './set/check-set.ts'
import { type PlacedFiles, missingKeys, placeFiles, removeFiles } from './set/place-files.ts'
import { loadWithColumns, setTables } from './set/set-tables.ts'
import { stageOlderSchema } from './set/stage-older-schema.ts'

export interface RestoreSetInput {
  readonly set: BackupSet
  readonly target: RestoreTarget
  /** Lets the pending jobs run at once. */
  readonly releases: boolean
  /** Into a database that nobody else knows: the set is locked by who asks, and was verified. */
  readonly isDrill?: boolean
  /** How long to wait for another who works on the repository; not at all unless told. */
  readonly waitMs?: number | undefined
  /** How long the server may leave us without an answer; 60 s unless told. */
  readonly silenceLimitMs?: number | undefined
  readonly onProgress?: OnRestoreProgress | undefined
  readonly onStep?: OnRestoreStep | undefined
}

export interface RestoredSet extends RestoredTables {
  readonly setId: string
  readonly releasedJobs: number
  readonly results: number
  readonly resultBytes: number
  /** Ids of keys whose secrets cannot be read here. */
  readonly missingKeys: readonly string[]
  /** Migrations that the set's rows were carried through. */
  readonly migrated: readonly string[]
  readonly durationMs: number
}

/**
 * Restores the tables of a set, the stored results that their rows name, and the key of their secrets if
 * it is in. Checks all of it first. All of it takes effect at once, or nothing does.
 *
 * @throws KilnError BACKUP_DAMAGED, BACKUP_PASSPHRASE_MISSING, SCHEMA_NEWER, DISK_FULL, EXECUTORS_RUNNING,
 * LOCK_TIMEOUT, BACKUP_REPOSITORY_BUSY.
 */
export async function restoreSet(context: Context, input: RestoreSetInput): Promise<RestoredSet> {
  const began = context.clock.monotonic()
  const { set, onProgress, onStep } = input
  const { signal, operator, settings } = context
  // Nobody takes the set away meanwhile.
  const repositoryLock = input.isDrill
    ? undefined
    : await lockRepository(set.repository, {
        purpose: 'kiln restore postgres',
        waitMs: input.waitMs ?? 0,
        readsOnly: true,
        signal,
      })
  try {
    const postgres = await preflight(context, input)
    const folder = await openDataFolder(settings.dataDir)
    return await withLockedTarget(context, input, async (session, database) => {
      await requireLoadable(session, set, postgres)
      await abandonUnfinished(session)
      const migrated = await missingMigrations(set)
      let placed: PlacedFiles | undefined
      let keys: readonly string[] = []
      try {
        const restored = await restoreTables(session, {
          id: await newRestoreId(session, set.id),
          source: set.id,
          details: { repository: set.repository.path },
          plainBytes: postgres.tables.reduce((sum, { plainBytes }) => sum + plainBytes, 0),
          isPartial: false,
          operator,
          signal,
          onProgress,
          onStep,
          load: (loader) =>
            migrated.length === 0
              ? loadWithColumns(session, loader, set, postgres)
              : stageOlderSchema(session, loader, set, postgres),
          adapt: async (staging, schema) => {
            let doneBytes = 0
            const totalBytes = set.manifest.results.reduce(
              (sum, { object }) => sum + object.plainBytes,
              0,
            )
            placed = await placeFiles(staging, schema, set, folder, (bytes) => {
              doneBytes += bytes
              onProgress?.({ phase: 'loading', doneBytes, totalBytes })
            })
            keys = await missingKeys(staging, schema, (id) => hasSecretKey(folder.path, id))
          },
        })
        return {
          ...restored,
          setId: set.id,
          releasedJobs: input.releases ? await releaseHeldJobs(database) : 0,
          results: placed?.results ?? 0,
          resultBytes: placed?.resultBytes ?? 0,
          missingKeys: keys,
          migrated,
          durationMs: context.clock.monotonic() - began,
        }
      } catch (error) {
        // The rows that name them did not come.
        if (!(await isLive(session, set))) await removeFiles(placed?.added ?? [])
        throw error
      }
    })
  } finally {
    await repositoryLock?.release()
  }
}

export interface SetPlan {
  readonly setId: string
  readonly tables: RestoredTables['tables']
  readonly method: RestoredTables['method']
  readonly dependents: Dependents
  readonly results: number
  readonly hasKey: boolean
  /** Columns of operators that the tables lack and get. */
  readonly added: readonly ExtraColumn[]
  readonly migrated: readonly string[]
}

/** Checks everything that a restore of the set would check first, and tells what it would do. */
export async function planSet(
  context: Context,
  input: Pick<RestoreSetInput, 'set' | 'target' | 'silenceLimitMs' | 'onProgress'>,
): Promise<SetPlan> {
  const { set, target, silenceLimitMs } = input
  const postgres = await preflight(context, input)
  // Of a database that is not there yet the live one tells what would be made.
  const connection = target.exists ? target.connection : context.database.target
  const { signal } = context
  return await withRestoreSession(connection, { signal, silenceLimitMs }, async (session) => {
    await requireLoadable(session, set, postgres)
    const dependents = await readDependents(session)
    const migrated = await missingMigrations(set)
    return {
      setId: set.id,
      tables: setTables(set, postgres).map(({ table, parts }) => ({
        name: table,
        rows: parts.reduce((sum, { rows }) => sum + rows, 0),
      })),
      method: methodOf(dependents),
      dependents,
      results: set.manifest.results.length,
      hasKey: set.manifest.datasourceKey !== null,
      // Of an older schema that is known when its tables have been made.
      added: migrated.length === 0 ? await columnsToAdd(session, set, postgres) : [],
      migrated,
    }
  })
}

async function preflight(
  { signal, settings, database }: Context,
  { set, onProgress }: Pick<RestoreSetInput, 'set' | 'onProgress'>,
): Promise<BackedUpPostgres> {
  await checkSet(set, 'postgres', signal, onProgress)
  const { postgres, results } = partOfSet(set, 'postgres').manifest
  if (!postgres) throw new KilnError('BACKUP_DAMAGED', `${set.id} has no tables`)
  const fileBytes = results.reduce((sum, { object }) => sum + object.plainBytes, 0)
  const rowBytes = postgres.tables.reduce((sum, { plainBytes }) => sum + plainBytes, 0)
  // With indexes rows take about one and a half times their text; another server's disk is not seen.
  await requireSpace(settings.dataDir, fileBytes + (database.target.isPrivate ? rowBytes * 1.5 : 0))
  return postgres
}

/** COPY's binary form is that of one major version. */
async function requireLoadable(
  session: RestoreSession,
  set: BackupSet,
  postgres: BackedUpPostgres,
): Promise<void> {
  if (postgres.rowFormat !== 'binary') return
  const { rows } = await session.query<{ version: string }>(
    `select current_setting('server_version_num') as version`,
  )
  const here = Math.floor(Number(rows[0]?.version) / 10_000)
  const there = Math.floor(postgres.serverVersionNumber / 10_000)
  if (here === there) return
  throw new KilnError(
    'RESTORE_REFUSED',
    `${set.id} holds rows in the binary form of Postgres ${there}, and this server is Postgres ${here}`,
    {
      hint: `restore it into a server of version ${there}, and make sets for others with --row-format text`,
    },
  )
}

/** @throws KilnError RESTORE_REFUSED for a type that is not there. */
async function columnsToAdd(
  session: RestoreSession,
  set: BackupSet,
  postgres: BackedUpPostgres,
): Promise<readonly ExtraColumn[]> {
  const live = await readLiveTables(session, exchangedTables)
  // One that is not there is made with the schema.
  const names = new Map(live.map(({ name, columns }) => [name, columns.map((one) => one.name)]))
  const tables = postgres.tables.filter(({ name }) => names.has(name))
  const columnsOf = (table: string) => names.get(table) ?? []
  return await extraColumns(session, set.id, { tables }, columnsOf)
}

/** True when the exchange was committed before something failed. */
async function isLive(session: RestoreSession, set: BackupSet): Promise<boolean> {
  try {
    const { rows } = await session.client.query<{ state: string }>(
      'select state from analysis_restores where source = $1 order by started_at desc limit 1',
      [set.id],
    )
    return rows[0]?.state === 'done'
  } catch {
    // Not known: the files stay, and cleanup removes them if nothing names them.
    return true
  }
}
