import path from 'node:path'
import type { Context } from '../context.ts'
import { loadDump } from './dump/load-dump.ts'
import type { LoadedDump } from './dump/load-dump.ts'
import { type DumpFormat, type OpenDump, openDump } from './dump/open-dump.ts'
import { type Dependents, readDependents } from './postgres/dependents.ts'
import { releaseHeldJobs } from './postgres/release-held-jobs.ts'
import { abandonUnfinished, newRestoreId } from './postgres/restore-record.ts'
import {
  type RestoredTables,
  explainRefusal,
  methodOf,
  restoreTables,
} from './postgres/restore-tables.ts'
import { withRestoreSession } from './postgres/session.ts'
import { type StagedTables, rehearsalSchema, stageTables } from './postgres/stage-tables.ts'
import type { StagingLoader } from './postgres/staging-loader.ts'
import type { OnRestoreProgress, OnRestoreStep } from './progress.ts'
import { type RestoreTarget, withLockedTarget } from './restore-target.ts'

export interface RestoreDumpInput {
  readonly file: string
  readonly target: RestoreTarget
  /** Lets the pending jobs run at once. */
  readonly releases: boolean
  /** How long the server may leave us without an answer; 60 s unless told. */
  readonly silenceLimitMs?: number | undefined
  readonly onProgress?: OnRestoreProgress | undefined
  readonly onStep?: OnRestoreStep | undefined
}

export interface DumpFigures {
  readonly format: DumpFormat
  readonly skippedStatements: number
  readonly skippedCommands: number
  readonly skippedTables: readonly { readonly name: string; readonly rows: number }[]
}

export interface RestoredDump extends RestoredTables, DumpFigures {
  readonly releasedJobs: number
}

/**
 * Restores the rows of a dump made by pg_dump. The schema stays that of the migrations; what the dump
 * has no table for keeps its rows. All of it takes effect at once, or nothing does.
 *
 * @throws KilnError BACKUP_DATA_INVALID, TOOL_MISSING, EXECUTORS_RUNNING, LOCK_TIMEOUT, FILE_NOT_FOUND.
 */
export async function restoreDump(
  context: Context,
  input: RestoreDumpInput,
): Promise<RestoredDump> {
  const { file } = input
  const { signal, operator } = context
  // A file that is not there is told before anybody is kept out.
  const dump = await openDump(file, signal)
  try {
    return await withLockedTarget(context, input, async (session, database) => {
      await abandonUnfinished(session)
      const name = path.basename(file)
      const stamp = new Date(context.clock.now())
        .toISOString()
        .replace(/\..*/, '')
        .replace(/\W/g, '')
      let loaded: LoadedDump | undefined
      const restored = await restoreTables(session, {
        id: await newRestoreId(session, `dump_${stamp}`),
        source: path.resolve(file),
        details: {},
        plainBytes: sizeOfRows(dump),
        isPartial: true,
        operator,
        signal,
        onProgress: input.onProgress,
        onStep: input.onStep,
        load: async (loader) => {
          loaded = await loadDump(dump.stream, name, loader)
        },
      })
      const releasedJobs = input.releases ? await releaseHeldJobs(database) : 0
      return { ...restored, ...figuresOf(dump.format, loaded), releasedJobs }
    })
  } finally {
    dump.stream.destroy()
  }
}

export interface DumpPlan extends DumpFigures, StagedTables {
  readonly method: RestoredTables['method']
  readonly dependents: Dependents
}

/**
 * Loads the whole dump into temporary tables like the live ones, and tells what a restore of it would do:
 * what a restore would refuse is refused here. Nobody is kept out, and nothing is left of it.
 *
 * @throws KilnError BACKUP_DATA_INVALID, TOOL_MISSING, FILE_NOT_FOUND.
 */
export async function planDump(
  context: Context,
  {
    file,
    target,
    onProgress,
    silenceLimitMs,
  }: Pick<RestoreDumpInput, 'file' | 'target' | 'onProgress' | 'silenceLimitMs'>,
): Promise<DumpPlan> {
  const { signal } = context
  const dump = await openDump(file, signal)
  try {
    // Of a database that is not there yet the live one tells the columns.
    const connection = target.exists ? target.connection : context.database.target
    return await withRestoreSession(connection, { signal, silenceLimitMs }, async (session) => {
      const dependents = await readDependents(session)
      let loaded: LoadedDump | undefined
      const input = {
        plainBytes: sizeOfRows(dump),
        isPartial: true,
        keepsOthers: target.exists,
        load: async (loader: StagingLoader) => {
          loaded = await loadDump(dump.stream, path.basename(file), loader)
        },
        signal,
        onProgress,
      }
      const place = { schema: rehearsalSchema, purpose: 'rehearsal' } as const
      const staged = await stageTables(session, input, place).catch((error: unknown) => {
        throw explainRefusal(error, path.resolve(file), session)
      })
      return {
        ...figuresOf(dump.format, loaded),
        ...staged,
        method: methodOf(dependents),
        dependents,
      }
    })
  } finally {
    dump.stream.destroy()
  }
}

/** Text of a plain dump is nearly all rows. */
const sizeOfRows = ({ format, sizeBytes }: OpenDump): number | null =>
  format === 'plain' ? sizeBytes : null

function figuresOf(format: DumpFormat, loaded: LoadedDump | undefined): DumpFigures {
  return {
    format,
    skippedStatements: loaded?.skippedStatements ?? 0,
    skippedCommands: loaded?.skippedCommands ?? 0,
    skippedTables: [...(loaded?.skippedTables ?? [])].map(([name, rows]) => ({ name, rows })),
  }
}
