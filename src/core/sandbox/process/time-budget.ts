const maxTimerMs = 2 ** 31 - 1

/** The two times of a job: the wall clock since its start, and what its script has run. */
export class TimeBudget {
  readonly limits: { readonly timeoutMs: number; readonly runningMs: number }
  private readonly startedAt = performance.now()
  private readonly onWallTime: () => void
  private timer: NodeJS.Timeout | undefined
  private runMs = 0
  private enteredAt: number | undefined

  /** @param onWallTime called when the time ends while the script waits. */
  constructor(
    limits: { readonly timeoutMs: number; readonly runningMs: number },
    onWallTime: () => void,
  ) {
    this.limits = limits
    this.onWallTime = onWallTime
    this.wait()
  }

  /** Runs one entry into the script; its time counts as the script's. */
  measure(work: () => void): void {
    this.enteredAt = performance.now()
    try {
      work()
    } finally {
      this.runMs += performance.now() - this.enteredAt
      this.enteredAt = undefined
    }
  }

  /** What is left for the next call into the isolate; at least 1, which a spent budget uses up at once. */
  entryMs(): number {
    return Math.max(1, Math.ceil(Math.min(this.wallLeftMs(), this.runLeftMs())))
  }

  /** Which limit is reached, if any. */
  spent(): 'wall' | 'running' | undefined {
    // isolated-vm's timer may be up to a millisecond early.
    if (this.wallLeftMs() <= 1) return 'wall'
    return this.runLeftMs() <= 1 ? 'running' : undefined
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private wallLeftMs(): number {
    return this.startedAt + this.limits.timeoutMs - performance.now()
  }

  private runLeftMs(): number {
    const now = this.enteredAt === undefined ? 0 : performance.now() - this.enteredAt
    return this.limits.runningMs - this.runMs - now
  }

  private wait(): void {
    const left = this.wallLeftMs()
    if (left <= 0) this.onWallTime()
    else this.timer = setTimeout(() => this.wait(), Math.min(left, maxTimerMs))
  }
}
