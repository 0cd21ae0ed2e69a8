import type { Context } from '../context.ts'
import { databaseError } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import { type DataFolder, fileExists, findDataFolder } from '../os/index.ts'
import { cleanFiles } from './clean-files.ts'
import { cleanRows } from './clean-rows.ts'
import { releaseLocks, takeLocks } from './cleanup-locks.ts'
import {
  type CleanupInput,
  type CleanupItem,
  type CleanupReport,
  Problems,
  cleanupKinds,
} from './cleanup-report.ts'
import { fileKinds } from './file-kinds.ts'
import { folderStanding } from './folder-standing.ts'
import { OwnFiles } from './own-files.ts'
import { deadlineOf } from './pace.ts'
import { retentionOf } from './retention.ts'
import { rowKinds } from './row-kinds.ts'
import { vacuumTables } from './vacuum-tables.ts'

type CleanupContext = Pick<Context, 'clock' | 'database' | 'operator' | 'settings' | 'signal'>

/**
 * Deletes what is older than its retention: rows in batches, each committed before its files go, then
 * what nobody names any more in the own data folder. Never touched: jobs that have not ended, analyses
 * and their versions, schedules, what scripts keep, the audit log, project databases, the private
 * Postgres, backups. Safe to repeat and to kill: the next one goes on where this one was.
 *
 * Rows are cleaned by one cleanup of a database at a time, files by one of a data folder; where
 * another is at work on one of the two, this one does the other and says so.
 *
 * @throws KilnError LOCK_TIMEOUT when another cleanup, a migration or a restore leaves nothing to do.
 */
export async function cleanUp(
  context: CleanupContext,
  input: CleanupInput = {},
): Promise<CleanupReport> {
  const startedAt = context.clock.monotonic()
  const trouble = { problems: new Problems(), notes: new Set<string>() }
  const run = new CleanupRun(context, input, await ownFolder(context, trouble), trouble)
  const report = await run.work().catch((error: unknown) => {
    // A signal ends it by the error that it carries, everything else is the database's.
    context.signal.throwIfAborted()
    throw databaseError(error)
  })
  return { ...report, durationMs: Math.round(context.clock.monotonic() - startedAt) }
}

interface Trouble {
  readonly problems: Problems
  readonly notes: Set<string>
}

const neverUsed =
  'this database has never used this data folder: files in it that are not known to be ours stay'

/**
 * Never made for the sake of being cleaned: with a wrong ANALYSIS_DATA_DIR it is a folder of somebody
 * else's. Rows can go though it cannot be used.
 */
async function ownFolder(
  { settings }: CleanupContext,
  { problems, notes }: Trouble,
): Promise<DataFolder | undefined> {
  const { dataDir } = settings
  try {
    const folder = await findDataFolder(dataDir)
    if (!folder && (await fileExists(dataDir))) notes.add(neverUsed)
    return folder
  } catch (error) {
    problems.add(messageOf(error))
    return undefined
  }
}

class CleanupRun {
  private readonly context: CleanupContext
  private readonly input: CleanupInput
  private readonly folder: DataFolder | undefined
  private readonly problems: Problems
  private readonly notes: Set<string>
  private readonly isOver: () => boolean

  constructor(
    context: CleanupContext,
    input: CleanupInput,
    folder: DataFolder | undefined,
    { problems, notes }: Trouble,
  ) {
    this.problems = problems
    this.notes = notes
    this.context = context
    this.input = input
    this.folder = folder
    this.isOver = deadlineOf(context.clock, input.maxDurationMs)
  }

  work(): Promise<Omit<CleanupReport, 'durationMs'>> {
    const kinds = this.input.kinds ?? cleanupKinds
    const rows = rowKinds.filter(({ kind }) => kinds.includes(kind))
    const files = fileKinds.filter(({ kind }) => kinds.includes(kind))
    // One connection for all: the locks are its, and whatever it does ends with them.
    return this.context.database.queries.connection().execute(async (session) => {
      const locks = await takeLocks(session, {
        rows: rows.length > 0,
        folderId: files.length > 0 ? this.folder?.id : undefined,
        dryRun: this.input.dryRun ?? false,
      })
      try {
        if (locks.holder) this.notes.add(`another cleanup is at work too: ${locks.holder}`)
        const items: CleanupItem[] = []
        for (const kind of rows) {
          items.push(locks.rows ? await this.rows(session, kind) : this.left(kind.kind))
        }
        for (const kind of files) {
          if (!this.folder) items.push(this.left(kind.kind, 'done'))
          else if (!locks.files) items.push(this.left(kind.kind))
          else items.push(await this.files(session, kind, this.folder))
        }
        const vacuumedTables = await this.vacuum(session, items)
        return {
          items,
          vacuumedTables,
          problems: this.problems.named,
          problemCount: this.problems.count,
          notes: [...this.notes],
        }
      } finally {
        // With the connection gone, so are its locks.
        await releaseLocks(session).catch(() => undefined)
      }
    })
  }

  private rows(session: Session, kind: (typeof rowKinds)[number]): Promise<CleanupItem> {
    const { problems } = this
    const dryRun = this.input.dryRun ?? false
    const own = this.folder && new OwnFiles(this.folder, { dryRun, problems })
    return cleanRows(
      {
        context: this.context,
        session,
        input: this.input,
        retention: retentionOf(this.context.settings, this.input),
        isOver: this.isOver,
        problems,
        note: (text) => void this.notes.add(text),
        removeFiles: async (files) => own?.removeResults(files) ?? { files: 0, bytes: 0 },
      },
      kind,
    )
  }

  private async files(
    session: Session,
    kind: (typeof fileKinds)[number],
    folder: DataFolder,
  ): Promise<CleanupItem> {
    const before = this.problems.count
    const standing = await folderStanding(session, folder.id)
    if (!standing.isKnown) this.notes.add(neverUsed)
    const item = await cleanFiles(
      {
        context: this.context,
        session,
        folder,
        problems: this.problems,
        standing,
        dryRun: this.input.dryRun ?? false,
        isOver: this.isOver,
        note: (text) => void this.notes.add(text),
      },
      kind,
    )
    return item.state === 'done' && this.problems.count > before
      ? { ...item, state: 'blocked' }
      : item
  }

  private left(kind: CleanupItem['kind'], state: CleanupItem['state'] = 'elsewhere'): CleanupItem {
    const retention = retentionOf(this.context.settings, this.input)
    const rule =
      rowKinds.find((row) => row.kind === kind)?.rule(retention) ??
      fileKinds.find((file) => file.kind === kind)?.rule ??
      ''
    return { kind, rule, count: 0, files: 0, bytes: 0, state }
  }

  private async vacuum(session: Session, items: readonly CleanupItem[]): Promise<string[]> {
    if (this.input.dryRun || this.isOver()) return []
    const tables = rowKinds.flatMap(({ kind, table, alongTables = [] }) =>
      items.some((item) => item.kind === kind && item.count > 0) ? [table, ...alongTables] : [],
    )
    return vacuumTables(session, [...new Set(tables)], (problem) => this.problems.add(problem))
  }
}

type Session = Parameters<typeof releaseLocks>[0]
