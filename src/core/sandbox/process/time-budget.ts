const maxTimerMs = 2 ** 31 - 1

/** The two times of a job: the wall clock since its start, and what its script has run. */
export class TimeBudget {
  readonly limits: { readonly timeoutMs: number; readonly runningMs: number }
  private readonly startedAt = performance.now()
  private readonly onWallTime: () => void
  private timer: NodeJS.Timeout | undefined
  private runMs = 0
  private enteredAt: number | undefined

  /** @param onWallTime called when the time ends while the script waits, once that is watched. */
  constructor(
    limits: { readonly timeoutMs: number; readonly runningMs: number },
    onWallTime: () => void,
  ) {
    this.limits = limits
    this.onWallTime = onWallTime
  }

  /** From here on the script waits; most never do, and need no timer. */
  watchWallTime(): void {
    const left = this.wallLeftMs(performance.now())
    if (left <= 0) this.onWallTime()
    else this.timer = setTimeout(() => this.watchWallTime(), Math.min(left, maxTimerMs))
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
    const now = performance.now()
    return Math.max(1, Math.ceil(Math.min(this.wallLeftMs(now), this.runLeftMs(now))))
  }

  /** Which limit is reached, if any. */
  spent(): 'wall' | 'running' | undefined {
    const now = performance.now()
    // isolated-vm's timer may be up to a millisecond early.
    if (this.wallLeftMs(now) <= 1) return 'wall'
    return this.runLeftMs(now) <= 1 ? 'running' : undefined
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private wallLeftMs(now: number): number {
    return this.startedAt + this.limits.timeoutMs - now
  }

  private runLeftMs(now: number): number {
    return this.limits.runningMs - this.runMs - (now - (this.enteredAt ?? now))
  }
}
