import type { BackupProgress } from '../core/backup/progress.ts'
import type { RestoreProgress } from '../core/restore/progress.ts'
import { formatDuration, formatSize } from '../core/units/index.ts'

/** On a terminal one line that changes; elsewhere a line now and then, for logs. */
const terminalEveryMs = 200
const logEveryMs = 30_000

type Progress = BackupProgress | RestoreProgress

/** Shows on stderr how far a long command is. */
export class ProgressLine {
  readonly #isTerminal = process.stderr.isTTY
  #phase: string | undefined
  #phaseBeganAt = 0
  #shownAt = performance.now()
  #isShown = false

  readonly report = (progress: Progress): void => {
    const now = performance.now()
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase
      this.#phaseBeganAt = now
    }
    if (now - this.#shownAt < (this.#isTerminal ? terminalEveryMs : logEveryMs)) return
    this.#shownAt = now
    const text = progressText(progress, now - this.#phaseBeganAt)
    process.stderr.write(this.#isTerminal ? `\r${text}\u001b[K` : `${text}\n`)
    this.#isShown = true
  }

  /** Takes the line away. */
  end(): void {
    if (this.#isShown && this.#isTerminal) process.stderr.write('\r\u001b[K')
  }
}

/** `postgres: 512 MB of about 1.1 GB, 812000 rows, 240 MB/s, 2.4 s left`. */
export function progressText(progress: Progress, elapsedMs: number): string {
  const { phase } = progress
  if (phase === 'exchanging') return 'putting the tables into place'
  if (phase === 'indexing') return `indexing: ${progress.done} of ${progress.total}`
  const { doneBytes, totalBytes } = progress
  const { rows = 0 } = progress
  const perSecond = elapsedMs > 0 ? (doneBytes * 1000) / elapsedMs : 0
  // The total is an estimate, which may be passed.
  const leftBytes = totalBytes === null ? null : Math.max(0, totalBytes - doneBytes)
  const parts = [
    leftBytes === null
      ? formatSize(doneBytes)
      : `${formatSize(doneBytes)} of about ${formatSize(Math.max(doneBytes, totalBytes ?? 0))}`,
    ...(rows > 0 ? [`${rows} rows`] : []),
    `${formatSize(perSecond)}/s`,
    ...(leftBytes !== null && leftBytes > 0 && perSecond > 0
      ? [`${formatDuration((leftBytes * 1000) / perSecond)} left`]
      : []),
  ]
  return `${phase}: ${parts.join(', ')}`
}
