import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import {
  type BackupSet,
  type DumpTool,
  findDumpTool,
  lockRepository,
  objectFile,
  readObject,
  requireReadable,
  verifyObjects,
} from '../backup/index.ts'
import type { Context } from '../context.ts'
import { openDatabase } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { migrateUp } from '../migrate/index.ts'
import { dropOldTables } from './drop-old.ts'
import { makeScratchFolder } from './files/scratch-folder.ts'
import { writeFile } from './files/write-file.ts'
import {
  createDatabase,
  dropDatabase,
  markFinished,
  markUnfinished,
  stateOfDatabase,
} from './postgres/other-databases.ts'
import { runPgRestore } from './postgres/run-pg-restore.ts'
import { type RestoreSetInput, type RestoredSet, restoreSet } from './restore-set.ts'
import { requireSpace } from './set/check-set.ts'

type RestoreWholeInput = Omit<RestoreSetInput, 'isDrill' | 'onStep'>
type Dump = NonNullable<NonNullable<BackupSet['manifest']['postgres']>['dump']>

export interface RestoredWhole extends RestoredSet {
  /** `pg_restore 15.18`. */
  readonly tool: string
}

/**
 * Restores the whole database of a set into a new one: pg_restore makes it, then the set's tables take
 * the place of those of the dump, so that nothing runs there that ran at the time of the backup. When any
 * part fails, the new database is dropped.
 *
 * @throws KilnError RESTORE_REFUSED with what pg_restore said or for a database that exists,
 * BACKUP_NOT_FOUND for a set without a dump, TOOL_MISSING, and what `restoreSet` throws.
 */
export async function restoreWhole(
  context: Context,
  input: RestoreWholeInput,
): Promise<RestoredWhole> {
  const { set, target, silenceLimitMs, onProgress } = input
  const { signal } = context
  const { dump, tool, isLeftover } = await checkWhole(context, input)
  const lock = await lockRepository(set.repository, {
    purpose: 'kiln restore postgres',
    waitMs: input.waitMs ?? 0,
    readsOnly: true,
    signal,
  })
  const scratch = await makeScratchFolder(set)
  try {
    const folder = path.join(scratch, 'dump')
    await mkdir(folder, { mode: 0o700 })
    await requireSpace(folder, sizeOf(dump))
    let doneBytes = 0
    const onBytes = (bytes: number): void => {
      doneBytes += bytes
      onProgress?.({ phase: 'unpacking', doneBytes, totalBytes: sizeOf(dump) })
    }
    for (const object of dump.objects) {
      signal.throwIfAborted()
      const file = path.join(folder, path.basename(object.file))
      await writeFile(file, readObject(set, object), undefined, onBytes)
    }
    const server = context.database.target
    if (isLeftover) await dropDatabase(server, target.databaseName)
    await createDatabase(server, target.databaseName, { mayExist: false })
    try {
      await markUnfinished(server, target.databaseName)
      await runPgRestore(tool, folder, target.connection, { signal, silenceLimitMs })
      await endWhatRan(context, input)
      const restored = await restoreSet(context, {
        ...input,
        target: { ...target, exists: true },
        isDrill: true,
      })
      await inTarget(input, (database) =>
        dropOldTables({ ...context, database }, { id: restored.id, isDryRun: false }),
      )
      await markFinished(server, target.databaseName)
      return { ...restored, oldSchema: null, tool: `pg_restore ${tool.version}` }
    } catch (error) {
      await dropDatabase(server, target.databaseName).catch(() => undefined)
      throw error
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
    await lock.release()
  }
}

interface WholePlan {
  readonly dump: Dump
  readonly tool: DumpTool
  /** A restore that was killed has left the database half made: it is dropped first. */
  readonly isLeftover: boolean
}

/**
 * Everything that can be known before the first write.
 *
 * @throws KilnError as `restoreWhole`.
 */
export async function checkWhole(
  context: Context,
  { set, target, onProgress }: Pick<RestoreWholeInput, 'set' | 'target' | 'onProgress'>,
): Promise<WholePlan> {
  const dump = set.manifest.postgres?.dump
  if (!dump) {
    throw new KilnError('BACKUP_NOT_FOUND', `${set.id} has no dump of the whole database`, {
      hint: 'choose another set, or make one: kiln backup create postgres --profile full',
    })
  }
  requireReadable(set)
  const isLeftover = target.exists && (await requireLeftover(context, target.databaseName))
  const tool = await findDumpTool(context, 'pg_restore', majorOf(dump))
  const totalBytes = dump.objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  let doneBytes = 0
  const only = { ...set, manifest: { ...set.manifest, ...nothingElse(set, dump) } }
  const [finding] = await verifyObjects(only, {
    level: 'full',
    signal: context.signal,
    onBytes: (bytes) => {
      doneBytes += bytes
      onProgress?.({ phase: 'checking', doneBytes, totalBytes })
    },
  })
  if (!finding) return { dump, tool, isLeftover }
  throw new KilnError(
    'BACKUP_DAMAGED',
    `${objectFile(set, { path: finding.object })} is damaged: ${finding.reason}`,
    {
      hint: 'use another set, nothing was changed: kiln backup list',
    },
  )
}

/** @throws KilnError RESTORE_REFUSED for a database that is somebody's, LOCK_TIMEOUT for one in the making. */
async function requireLeftover({ database }: Context, name: string): Promise<true> {
  const state = await stateOfDatabase(database.target, name)
  if (state === 'leftover') return true
  if (state === 'filling') {
    throw new KilnError('LOCK_TIMEOUT', `a restore is filling the database "${name}"`, {
      hint: 'try again when nobody is connected to it: then it is whole, or is made anew',
    })
  }
  throw new KilnError('RESTORE_REFUSED', `the database "${name}" exists`, {
    hint: 'name a new one with --into: nothing is put over a database that exists',
  })
}

/** A manifest that names the files of the dump only. */
function nothingElse({ manifest: { postgres } }: BackupSet, dump: Dump) {
  return {
    postgres: postgres && { ...postgres, tables: [], dump },
    duckdb: [],
    results: [],
    datasourceKey: null,
    config: null,
    envFiles: [],
  }
}

/** `pg_dump 15.18`. */
const majorOf = ({ tool }: Dump): number => Number.parseInt(tool.replace(/^\D+/, ''), 10)

const sizeOf = ({ objects }: Dump): number =>
  objects.reduce((sum, { plainBytes }) => sum + plainBytes, 0)

/** The dump knows executors that beat a moment before it was made: none of them is there. */
async function endWhatRan(context: Context, input: RestoreWholeInput): Promise<void> {
  await inTarget(input, async (database) => {
    const { signal, operator } = context
    await migrateUp({ database, signal, operator })
    await database.pool.query(
      'update analysis_executors set stopped_at = now() where stopped_at is null',
    )
  })
}

async function inTarget<T>(
  { target }: RestoreWholeInput,
  work: (database: ReturnType<typeof openDatabase>) => Promise<T>,
): Promise<T> {
  const database = openDatabase({
    target: target.connection,
    applicationName: 'kiln restore',
    poolSize: 1,
  })
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}
