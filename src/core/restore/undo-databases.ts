import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { openDataFolder } from '../os/index.ts'
import { type FilesJournal, oldBytes, readJournals, removeRestoreFolder } from './files/journal.ts'
import { withFilesLock, withHolds } from './files/hold-databases.ts'
import { finishMoving, undo } from './files/move-databases.ts'

export interface SettledDatabases {
  readonly id: string
  readonly source: string
  readonly projects: readonly string[]
  /** `unfinished`: nothing of it is in its place; `undone`: databases of before are; `finished`. */
  readonly outcome: 'unfinished' | 'undone' | 'finished'
}

const settled = (
  { id, source, databases }: FilesJournal,
  outcome: SettledDatabases['outcome'],
): SettledDatabases => ({
  id,
  source,
  projects: databases.map(({ projectId }) => projectId),
  outcome,
})

/** The last restore of this data folder's databases whose folders are there. */
export async function lastDatabasesRestore({
  settings,
}: Pick<Context, 'settings'>): Promise<FilesJournal | undefined> {
  const folder = await openDataFolder(settings.dataDir)
  const journals = await readJournals(folder.path)
  return journals.find(({ state }) => state !== 'done') ?? journals[0]
}

/**
 * Takes the last restore back: one that was killed, or one that has ended and whose databases of before
 * are still kept; what jobs have written since goes with it.
 *
 * @throws KilnError RESTORE_NOT_FOUND, PROJECT_DATABASE_BUSY.
 */
export async function undoDatabases(
  context: Context,
  { waitMs }: { readonly waitMs: number },
): Promise<SettledDatabases> {
  return await withFilesLock(context, async () => {
    const last = await lastDatabasesRestore(context)
    if (!last) {
      throw new KilnError('RESTORE_NOT_FOUND', 'there is no restore of databases to take back', {
        hint: 'restore a backup: kiln restore duckdb latest --confirm FOLDER',
      })
    }
    const folder = await openDataFolder(context.settings.dataDir)
    if (last.state !== 'done' && last.state !== 'moving') {
      await undo(context, folder, last.id)
      return settled(last, 'unfinished')
    }
    await withHolds(context, last.databases, waitMs, () => undo(context, folder, last.id))
    return settled(last, 'undone')
  })
}

/**
 * Finishes a restore that was killed while it put databases into their places; undefined when there is
 * none, since then nothing of it had an effect.
 */
export async function resumeDatabases(
  context: Context,
  { waitMs }: { readonly waitMs: number },
): Promise<SettledDatabases | undefined> {
  return await withFilesLock(context, async () => {
    const folder = await openDataFolder(context.settings.dataDir)
    const journal = await finishMoving(context, folder, waitMs)
    return journal && settled(journal, 'finished')
  })
}

export interface KeptDatabases {
  readonly id: string
  readonly projects: readonly string[]
  readonly sizeBytes: number
}

/** Databases that restores have replaced and kept; with `drops` they are deleted. */
export async function keptDatabases(
  context: Context,
  { id, drops }: { readonly id: string | undefined; readonly drops: boolean },
): Promise<readonly KeptDatabases[]> {
  const folder = await openDataFolder(context.settings.dataDir)
  const list = async (): Promise<readonly KeptDatabases[]> => {
    const kept: KeptDatabases[] = []
    for (const journal of await readJournals(folder.path)) {
      if (journal.state !== 'done' || (id !== undefined && journal.id !== id)) continue
      const sizeBytes = await oldBytes(folder.path, journal)
      if (drops) await removeRestoreFolder(folder.path, journal.id)
      kept.push({
        id: journal.id,
        projects: journal.databases.map(({ projectId }) => projectId),
        sizeBytes,
      })
    }
    return kept
  }
  // Not while another restore takes one of them back.
  return drops ? await withFilesLock(context, list) : await list()
}
