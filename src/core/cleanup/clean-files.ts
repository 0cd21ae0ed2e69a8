import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import type { DataFolder } from '../os/index.ts'
import type { CleanupItem, Problems } from './cleanup-report.ts'
import type { FileKind } from './file-kinds.ts'
import type { FolderStanding } from './folder-standing.ts'
import { OwnFiles } from './own-files.ts'

export interface FilesWork {
  readonly context: Pick<Context, 'operator' | 'signal'>
  readonly session: Queries
  readonly folder: DataFolder
  readonly problems: Problems
  readonly standing: FolderStanding
  readonly dryRun: boolean
  readonly isOver: () => boolean
  readonly note: (text: string) => void
}

/** Thrown by `checkTime` and caught here: the walk through folders is as deep as they are. */
class TimeIsOver extends Error {}

/** Takes one kind of files of the data folder. */
export async function cleanFiles(work: FilesWork, kind: FileKind): Promise<CleanupItem> {
  const { context, session, folder, problems, dryRun } = work
  const files = new OwnFiles(folder, {
    dryRun,
    problems,
    // Files go in no transaction. If we die here, the log tells of a deletion that the next cleanup
    // does; the other way round files would be gone of which no row tells.
    beforeFirst: () =>
      recordAudit(session, context.operator, {
        action: 'cleanup.delete',
        targetType: 'cleanup',
        targetId: kind.kind,
        details: { rule: kind.rule, data_folder: folder.id },
      }),
  })
  const total = { count: 0, files: 0, bytes: 0 }
  let state: CleanupItem['state'] = 'done'
  try {
    await kind.clean({
      ...work,
      files,
      checkTime() {
        context.signal.throwIfAborted()
        if (work.isOver()) throw new TimeIsOver()
      },
      count({ files: gone, bytes, folders }) {
        total.count += folders ?? gone
        total.files += gone
        total.bytes += bytes
      },
    })
  } catch (error) {
    if (!(error instanceof TimeIsOver)) throw error
    state = 'unfinished'
  }
  return { kind: kind.kind, rule: kind.rule, ...total, state }
}
