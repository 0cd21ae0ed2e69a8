import type { SandboxLimits } from '../contract.ts'
import { frameKinds } from '../frames.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const

/** Lines wait for company at most this long, and at most this many. */
const flushAfterMs = 50
const flushAfterLines = 256

/**
 * The log of a guest: batches lines into frames and holds the limits. Past them lines are only
 * counted, and one line at the end says how many.
 */
export class GuestLog {
  private readonly limits: Pick<SandboxLimits, 'logBytes' | 'logLines'>
  private readonly send: (kind: number, id: number, text: string) => void
  private batch: [string, string][] = []
  private lines = 0
  private bytes = 0
  private dropped = 0
  private lastFlush = performance.now()

  constructor(
    limits: Pick<SandboxLimits, 'logBytes' | 'logLines'>,
    send: (kind: number, id: number, text: string) => void,
  ) {
    this.limits = limits
    this.send = send
  }

  add(level: number, message: string): void {
    const size = Buffer.byteLength(message)
    if (this.lines >= this.limits.logLines || this.bytes + size > this.limits.logBytes) {
      this.dropped += 1
      return
    }
    this.lines += 1
    this.bytes += size
    this.batch.push([levels[level] ?? 'info', message])
    // A busy guest keeps timers from firing, so the clock is looked at here.
    if (this.batch.length >= flushAfterLines || performance.now() - this.lastFlush > flushAfterMs) {
      this.flush()
    }
  }

  flush(): void {
    this.lastFlush = performance.now()
    if (this.batch.length === 0) return
    this.send(frameKinds.log, 0, JSON.stringify(this.batch))
    this.batch = []
  }

  close(): void {
    if (this.dropped > 0) {
      this.batch.push(['warn', `log limit reached: ${this.dropped} more lines were dropped`])
    }
    this.flush()
  }
}
