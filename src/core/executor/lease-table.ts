import { type HeldLeases, type Lease, leaseKey } from '../jobs/index.ts'

/** Something that holds a lease. */
export interface Holder {
  readonly lease: Lease
}

/**
 * The leases of one executor. The jobs of one claim share a token, and the claim's row goes when the
 * last of them needs it no more.
 */
export class LeaseTable<T extends Holder = Holder> {
  private readonly holders = new Set<T>()
  /** Jobs by token that still run, or whose outcome is not written yet. */
  private readonly remaining = new Map<string, number>()
  private ended: string[] = []

  get size(): number {
    return this.holders.size
  }

  get all(): readonly T[] {
    return [...this.holders]
  }

  add(holder: T): void {
    const { leaseToken } = holder.lease
    this.holders.add(holder)
    this.remaining.set(leaseToken, (this.remaining.get(leaseToken) ?? 0) + 1)
  }

  /** `isKnownEnded`: its row says so; else the heartbeat finds it among the claim's jobs. */
  remove(holder: T, isKnownEnded: boolean): void {
    if (!this.holders.delete(holder) || !isKnownEnded) return
    const { leaseToken } = holder.lease
    const left = (this.remaining.get(leaseToken) ?? 1) - 1
    if (left > 0) {
      this.remaining.set(leaseToken, left)
    } else {
      this.remaining.delete(leaseToken)
      this.ended.push(leaseToken)
    }
  }

  /** Those whose keys a heartbeat gave. */
  named(keys: readonly string[]): readonly T[] {
    if (keys.length === 0) return []
    const wanted = new Set(keys)
    return this.all.filter(({ lease }) => wanted.has(leaseKey(lease)))
  }

  /** What a heartbeat tells. */
  snapshot(): Omit<HeldLeases, 'claimsSettledBelow'> {
    return { leases: this.all.map(({ lease }) => lease), endedTokens: this.takeEndedTokens() }
  }

  /** Claims whose rows may go. Given once: `giveBack` what was not deleted. */
  takeEndedTokens(): readonly string[] {
    const tokens = this.ended
    this.ended = []
    return tokens
  }

  giveBack(tokens: readonly string[]): void {
    this.ended.push(...tokens)
  }
}
