/** First and longest wait after a claim that failed; each is halved or left whole at random. */
const firstDelayMs = 200
const longestDelayMs = 5000

/** Claims that failed one after another: how long to wait, and what was said of them. */
export class FailedClaims {
  private readonly said = new Set<string>()
  /** How long to wait before the next; 0 when the last one came through. */
  delayMs = 0
  private limitMs = firstDelayMs

  /** True when nothing has been said of this failure yet. */
  add(message: string): boolean {
    this.delayMs = this.limitMs * (0.5 + Math.random() / 2)
    this.limitMs = Math.min(this.limitMs * 2, longestDelayMs)
    const isNew = !this.said.has(message)
    this.said.add(message)
    return isNew
  }

  end(): void {
    this.said.clear()
    this.delayMs = 0
    this.limitMs = firstDelayMs
  }
}
