import type { Queries } from '../database/index.ts'
import { type JobLogLine, type Lease, appendJobLogs } from '../jobs/index.ts'
import type { Clock } from '../os/index.ts'
import type { LogLine } from '../sandbox/contract.ts'

/** Lines that stay on the job row as a summary. */
const summaryLines = 100
/** Lines wait this long for company: one statement for a burst, and still live for a reader. */
const flushAfterMs = 200

export interface JobLogOptions {
  readonly queries: Queries
  readonly clock: Clock
  readonly lease: Lease
  readonly attempt: number
  /** Called with each line at once, for a person who watches. */
  readonly onLine?: (line: JobLogLine) => void
}

/**
 * The log of one attempt: numbers the lines, stores them in batches, and keeps the last ones for
 * the job row. Storing is best effort while the job runs: a lost database must not stop the script,
 * and lines that could not be stored are tried again with the next batch and at the end.
 */
export class JobLog {
  private readonly options: JobLogOptions
  private readonly tail: string[] = []
  private waiting: JobLogLine[] = []
  private nextNumber = 0
  private timer: NodeJS.Timeout | undefined
  private writing: Promise<void> = Promise.resolve()

  constructor(options: JobLogOptions) {
    this.options = options
  }

  append(lines: readonly LogLine[]): void {
    const loggedAt = new Date(this.options.clock.now()).toISOString()
    for (const { level, message } of lines) {
      const line: JobLogLine = {
        attempt: this.options.attempt,
        lineNumber: this.nextNumber,
        level,
        message,
        loggedAt,
      }
      this.nextNumber += 1
      this.waiting.push(line)
      this.tail.push(level === 'info' ? message : `[${level}] ${message}`)
      this.options.onLine?.(line)
    }
    if (this.tail.length > summaryLines) this.tail.splice(0, this.tail.length - summaryLines)
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      void this.flush().catch(() => undefined)
    }, flushAfterMs)
  }

  get isEmpty(): boolean {
    return this.nextNumber === 0
  }

  /** The last lines, as the job row keeps them. */
  get summary(): readonly string[] {
    return this.tail.map((line) => line.replaceAll('\u0000', '\uFFFD').toWellFormed())
  }

  /** Stores what waits; rejects when the database cannot take it, and then nothing is lost here. */
  async flush(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    // One batch at a time, so that a batch that failed goes first again.
    const write = this.writing.then(async () => {
      const batch = this.waiting
      this.waiting = []
      try {
        await appendJobLogs(this.options.queries, this.options.lease, batch)
      } catch (error) {
        this.waiting = [...batch, ...this.waiting]
        throw error
      }
    })
    this.writing = write.catch(() => undefined)
    await write
  }
}
