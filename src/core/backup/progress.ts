/** How far a long command is. Sizes are of plain bytes, as they are read. */
export interface BackupProgress {
  readonly phase: 'postgres' | 'dump' | 'results' | 'duckdb' | 'verify' | 'export' | 'import'
  readonly doneBytes: number
  /** An estimate; null where nobody knows. */
  readonly totalBytes: number | null
  readonly rows: number
}

export type OnBackupProgress = (progress: BackupProgress) => void

/** Adds up what a phase has done, and tells each change. */
export class PhaseMeter {
  readonly #phase: BackupProgress['phase']
  readonly #totalBytes: number | null
  readonly #tell: OnBackupProgress | undefined
  #doneBytes = 0
  #rows = 0

  constructor(
    phase: BackupProgress['phase'],
    totalBytes: number | null,
    tell: OnBackupProgress | undefined,
  ) {
    this.#phase = phase
    this.#totalBytes = totalBytes
    this.#tell = tell
  }

  readonly addBytes = (bytes: number): void => {
    this.#doneBytes += bytes
    this.#report()
  }

  readonly addRows = (rows: number): void => {
    this.#rows += rows
    this.#report()
  }

  #report(): void {
    this.#tell?.({
      phase: this.#phase,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      rows: this.#rows,
    })
  }
}
