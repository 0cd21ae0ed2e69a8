/** What a restore tells while it works; core never draws. */
export type RestoreProgress =
  | {
      /** `checking`, `unpacking`: bytes of the set; `loading`: of rows that went to the server, or of files. */
      readonly phase: 'checking' | 'unpacking' | 'loading'
      readonly doneBytes: number
      /** Null where it is not known before the end. */
      readonly totalBytes: number | null
      /** Of the files of rows that are loaded to their end. */
      readonly rows?: number
    }
  | { readonly phase: 'indexing'; readonly done: number; readonly total: number }
  | { readonly phase: 'exchanging' }

export type OnRestoreProgress = (event: RestoreProgress) => void

/** Points at which a test ends the process. */
export type RestoreStep =
  | 'staging'
  | 'loaded'
  | 'settled'
  | 'indexed'
  | 'staged'
  | 'exchanged'
  | 'done'
  | 'files-staged'
  | 'files-checked'
  | 'file-moved'
  | 'files-moved'

export type OnRestoreStep = (step: RestoreStep) => Promise<void> | void
