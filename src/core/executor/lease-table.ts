import { type HeldLeases, type Lease, leaseKey } from '../jobs/index.ts'
import type { LeaseHolder } from './lease-holder.ts'

/**
 * The leases of one executor. The jobs of one claim share a token, and the claim's row goes when the
 * last of them needs it no more.
 */
export class LeaseTable {
  private readonly holders = new Map<string, LeaseHolder>()
  /** Jobs by token that still run, or whose outcome is not written yet. */
  private readonly remaining = new Map<string, number>()
  private ended = new Set<string>()

  get size(): number {
    return this.holders.size
  }

  get all(): readonly LeaseHolder[] {
    return [...this.holders.values()]
  }

  add(lease: Lease, holder: LeaseHolder): void {
    this.holders.set(leaseKey(lease), holder)
    this.remaining.set(lease.leaseToken, (this.remaining.get(lease.leaseToken) ?? 0) + 1)
  }

  /** `isKnownEnded`: its row says so; else the heartbeat finds it among the claim's jobs. */
  remove(lease: Lease, isKnownEnded: boolean): void {
    this.holders.delete(leaseKey(lease))
    if (!isKnownEnded) return
    const left = (this.remaining.get(lease.leaseToken) ?? 1) - 1
    if (left > 0) {
      this.remaining.set(lease.leaseToken, left)
    } else {
      this.remaining.delete(lease.leaseToken)
      this.ended.add(lease.leaseToken)
    }
  }

  get(key: string): LeaseHolder | undefined {
    return this.holders.get(key)
  }

  /** What a heartbeat tells; the caller says when the database has it. */
  snapshot(): HeldLeases {
    return {
      leases: this.all.map((holder) => holder.lease),
      endedTokens: this.takeEndedTokens(),
    }
  }

  /** Claims whose rows may go. Given once: `giveBack` what was not deleted. */
  takeEndedTokens(): string[] {
    const tokens = [...this.ended]
    this.ended = new Set()
    return tokens
  }

  giveBack(tokens: readonly string[]): void {
    for (const token of tokens) this.ended.add(token)
  }
}
