const maxTimerMs = 2 ** 31 - 1

/** `ctx.sleep`, answered here without the executor. */
export class Sleeps {
  private readonly timers = new Map<number, NodeJS.Timeout>()
  private readonly onWake: (id: number) => void

  constructor(onWake: (id: number) => void) {
    this.onWake = onWake
  }

  /** @param argumentsText `{ "ms": … }`; a sleep beyond the job's time ends with the job. */
  start(id: number, argumentsText: string): void {
    const { ms } = JSON.parse(argumentsText) as { ms: number }
    const wake = () => {
      this.timers.delete(id)
      this.onWake(id)
    }
    this.timers.set(id, setTimeout(wake, Math.min(Math.max(0, ms), maxTimerMs)))
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer)
    this.timers.clear()
  }
}
