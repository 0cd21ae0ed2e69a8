/**
 * Numbers the claims of one executor, so that a heartbeat tells a claim that is under way from one
 * whose reply was lost. Statements may be done by the server long after their caller gave them up,
 * and in another order: the number, and not the time, says which leases a heartbeat can know of.
 */
export class ClaimNumbers {
  private last = 0
  /** In the order of their numbers. */
  private readonly underWay = new Map<number, Promise<unknown>>()

  /** Runs a claim under a fresh number. It must enter what it took among the leases before it ends. */
  run<T>(claim: (claimNumber: number) => Promise<T>): Promise<T> {
    this.last += 1
    const number = this.last
    const claimed = claim(number).finally(() => this.underWay.delete(number))
    this.underWay.set(number, claimed)
    return claimed
  }

  /** Claims with a lower number have ended: what they took is held, or its reply was lost. */
  get settledBelow(): number {
    for (const number of this.underWay.keys()) return number
    return this.last + 1
  }

  /** Resolves when no claim is under way. */
  async whenIdle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay.values())
  }
}
