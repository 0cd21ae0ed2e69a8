/** Something that works for as long as the service runs. */
export interface ServicePart {
  start(): void
  /** Ends after what is under way. */
  stop(): Promise<void>
}

/**
 * Repeats work, each time `intervalMs` after the last has ended. A failure is the work's own to
 * report; the next round comes all the same.
 */
export class Loop implements ServicePart {
  /** May be changed; the next wait takes it. */
  intervalMs: number
  private readonly work: () => Promise<void>
  private timer: NodeJS.Timeout | undefined
  private underWay: Promise<void> = Promise.resolve()
  private isStopped = false

  constructor(intervalMs: number, work: () => Promise<void>) {
    this.intervalMs = intervalMs
    this.work = work
  }

  start(): void {
    this.timer = setTimeout(() => {
      this.underWay = this.work()
        .catch(() => undefined)
        .then(() => {
          if (!this.isStopped) this.start()
        })
    }, this.intervalMs)
  }

  async stop(): Promise<void> {
    this.isStopped = true
    clearTimeout(this.timer)
    await this.underWay
  }
}
