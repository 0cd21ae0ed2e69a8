import { formatSize } from '../../units/index.ts'
import { frameKinds } from '../frames.ts'
import type { Channel } from './channel.ts'

/** A frame costs 10 µs on each side; a batch of this size makes that nothing. */
const maxBatchLines = 64
const maxBatchChars = 32 * 1024
/**
 * The first lines of a job go one by one: what a script says right before a loop that never yields,
 * and is killed in, would otherwise wait for a timer that does not fire. At 10 µs each this is 10 ms.
 */
const maxSingleLines = 1000
/** What a person still sees as at once. */
const everyMs = 50

interface Limits {
  readonly logLines: number
  readonly logBytes: number
}

/** Sends log lines and progress of one job, in batches. */
export class Reporter {
  private readonly channel: Channel
  private readonly limits: Limits
  private lines: [level: number, message: string][] = []
  private batchChars = 0
  private sentBytes = 0
  private singleLines = 0
  private dropped = 0
  private progress: string | undefined
  private sentAt = 0
  private timer: NodeJS.Timeout | undefined

  constructor(channel: Channel, limits: Limits) {
    this.channel = channel
    this.limits = limits
  }

  log(level: number, line: string, isDropped: boolean): void {
    const bytes = isDropped ? 0 : Buffer.byteLength(line)
    if (isDropped || this.sentBytes + bytes > this.limits.logBytes) {
      this.dropped += 1
      return
    }
    this.sentBytes += bytes
    this.add(level, line)
    this.singleLines += 1
    if (
      this.singleLines <= maxSingleLines ||
      this.lines.length >= maxBatchLines ||
      this.batchChars >= maxBatchChars
    ) {
      this.flush()
    } else this.flushSoon()
  }

  /** @param text JSON text; only the last one within 50 ms is sent. */
  setProgress(text: string): void {
    this.progress = text
    this.flushSoon()
  }

  /** Sends what there is, and how much was dropped. */
  end(): void {
    const { logLines, logBytes } = this.limits
    if (this.dropped > 0) {
      const limit = `a job may log ${logLines} lines and ${formatSize(logBytes)}`
      this.add(2, `${this.dropped} more log lines were dropped: ${limit}`)
    }
    this.flush()
  }

  flush(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.sentAt = performance.now()
    if (this.lines.length > 0) this.channel.send(frameKinds.log, 0, JSON.stringify(this.lines))
    this.lines = []
    this.batchChars = 0
    if (this.progress !== undefined) this.channel.send(frameKinds.progress, 0, this.progress)
    this.progress = undefined
  }

  private add(level: number, line: string): void {
    this.lines.push([level, line])
    this.batchChars += line.length
  }

  /** In a script that never waits no timer fires: what comes next looks at the clock as well. */
  private flushSoon(): void {
    if (performance.now() - this.sentAt >= everyMs) this.flush()
    else this.timer ??= setTimeout(() => this.flush(), everyMs)
  }
}
