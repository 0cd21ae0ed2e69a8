import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import type { CleanupItem } from './cleanup-report.ts'
import type { FileKind } from './file-kinds.ts'
import type { FolderStanding } from './folder-standing.ts'
import type { OwnFiles } from './own-files.ts'

export interface FilesWork {
  readonly context: Pick<Context, 'signal'>
  readonly session: Queries
  readonly files: OwnFiles
  readonly standing: FolderStanding
  readonly dryRun: boolean
  readonly isOver: () => boolean
  readonly note: (text: string) => void
}

/** Thrown by `checkTime` and caught here: the walk through folders is as deep as they are. */
class TimeIsOver extends Error {}

/** Takes one kind of files of the data folder. */
export async function cleanFiles(work: FilesWork, kind: FileKind): Promise<CleanupItem> {
  const total = { count: 0, files: 0, bytes: 0 }
  let state: CleanupItem['state'] = 'done'
  try {
    await kind.clean({
      ...work,
      checkTime() {
        work.context.signal.throwIfAborted()
        if (work.isOver()) throw new TimeIsOver()
      },
      count({ files, bytes, folders }) {
        total.count += folders ?? files
        total.files += files
        total.bytes += bytes
      },
    })
  } catch (error) {
    if (!(error instanceof TimeIsOver)) throw error
    state = 'unfinished'
  }
  return { kind: kind.kind, rule: kind.rule, ...total, state }
}
