import type { Queries } from '../database/index.ts'
import { cleanJobFolders } from './clean-job-folders.ts'
import { cleanOrphans } from './clean-orphans.ts'
import { cleanTemporaries } from './clean-temporaries.ts'
import type { CleanupKind } from './cleanup-report.ts'
import type { FolderStanding } from './folder-standing.ts'
import type { OwnFiles } from './own-files.ts'

/** What a step over the files of the data folder works with. */
export interface FileWork {
  readonly session: Queries
  readonly files: OwnFiles
  readonly standing: FolderStanding
  readonly dryRun: boolean
  /** Ends the step, by an error, when the time is over or the operator ends the command. */
  checkTime(): void
  count(removed: { files: number; bytes: number; folders?: number }): void
  note(text: string): void
}

export interface FileKind {
  readonly kind: CleanupKind
  readonly rule: string
  readonly clean: (work: FileWork) => Promise<void>
}

export const fileKinds: readonly FileKind[] = [
  {
    kind: 'orphans',
    rule: 'result files older than 24 h that no row names and whose job has ended or is gone',
    clean: cleanOrphans,
  },
  {
    kind: 'tmp',
    rule: '*.tmp files over 100 MB, older than 1 h, that nobody has open; half-written ones after 24 h',
    clean: cleanTemporaries,
  },
  {
    kind: 'job-folders',
    rule: 'folders of jobs that have ended',
    clean: cleanJobFolders,
  },
]
