import type { Context } from '../../context.ts'
import type { DataFolder } from '../../os/index.ts'
import type { OnRestoreStep } from '../progress.ts'
import { takeHome } from './database-homes.ts'
import { withHolds } from './hold-databases.ts'
import {
  type FilesJournal,
  type JournalDatabase,
  mark,
  moveIn,
  moveOut,
  readJournals,
  removeRestoreFolder,
  unmark,
  writeJournal,
} from './journal.ts'

/** Each into its place, the one of before aside; safe to repeat. */
export async function moveAll(
  folder: DataFolder,
  id: string,
  entries: readonly JournalDatabase[],
  onStep: OnRestoreStep | undefined,
): Promise<void> {
  for (const entry of entries) {
    await moveIn(folder.path, id, entry)
    await onStep?.('file-moved')
  }
}

/** What was not finished is undone before anything new is begun. Returns which restores they were. */
export async function undoUnfinished(
  context: Pick<Context, 'database'>,
  folder: DataFolder,
): Promise<readonly FilesJournal[]> {
  const unfinished = (await readJournals(folder.path)).filter(({ state }) => state !== 'done')
  for (const { id } of unfinished) await undo(context, folder, id)
  return unfinished
}

/** The databases of before are back in their places, and nothing of the restore is left. */
export async function undo(
  { database }: Pick<Context, 'database'>,
  folder: DataFolder,
  id: string,
): Promise<void> {
  const journal = (await readJournals(folder.path)).find((one) => one.id === id)
  if (journal && (journal.state === 'moving' || journal.state === 'done')) {
    await writeJournal(folder.path, { ...journal, state: 'moving' })
    await mark(folder.path, id)
    for (const entry of journal.databases) await moveOut(folder.path, id, entry)
    for (const { projectId, previousHome } of journal.databases) {
      await database.queries
        .updateTable('projects')
        .set({ homeFolder: previousHome })
        .where('id', '=', projectId)
        .where('homeFolder', '=', folder.id)
        .execute()
    }
    await unmark(folder.path)
  }
  await removeRestoreFolder(folder.path, id)
}

/** Finishes what was killed while folders were renamed; undefined when there is no such restore. */
export async function finishMoving(
  context: Context,
  folder: DataFolder,
  waitMs: number,
): Promise<FilesJournal | undefined> {
  const journal = (await readJournals(folder.path)).find(({ state }) => state === 'moving')
  if (!journal) return undefined
  const { id, source, databases } = journal
  await withHolds(context, databases, waitMs, async (holds) => {
    await moveAll(folder, id, databases, undefined)
    await takeHome(context, folder, holds, id, source, databases)
    await writeJournal(folder.path, { ...journal, state: 'done' })
    await unmark(folder.path)
  })
  return journal
}
