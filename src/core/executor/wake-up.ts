/** Lets a loop sleep until there may be something to do; a call while nobody sleeps is not lost. */
export class WakeUp {
  private readonly sleepers = new Set<() => void>()
  private wasWoken = false

  wake(): void {
    this.wasWoken = true
    for (const wakeUp of this.sleepers) wakeUp()
  }

  /** Resolves when somebody has called `wake` since the last time, at the latest after `maxMs`. */
  next(maxMs: number): Promise<void> {
    if (this.wasWoken) {
      this.wasWoken = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.sleepers.delete(done)
        this.wasWoken = false
        resolve()
      }
      const timer = setTimeout(done, maxMs)
      this.sleepers.add(done)
    })
  }
}
