/** Jobs are claimed ahead only while nearly all of the last ones took less than this on a core. */
const quickMs = 20
/** What is claimed ahead should be begun within this time. */
const aheadMs = 100
/** Claimed ahead for longer than this and not begun, a job goes back: others may be idle. */
export const maxAheadMs = 200

const maxAhead = 1024
const samples = 100
/** Fewer tell nothing. */
const minSamples = 20

/**
 * Decides how many jobs an executor claims beyond its free slots. For scripts of a millisecond the
 * way to the database takes longer than the script: with a few jobs in hand the slots never wait.
 * For any other the queue keeps them, where an idle executor finds them.
 */
export class ClaimAhead {
  private readonly concurrency: number
  private readonly quickMs: number
  private durations: number[] = []
  private next = 0
  private slow = 0
  private sum = 0

  /** @param cores of the machine: more scripts than that at a time share them, and take as much longer. */
  constructor(concurrency: number, cores: number) {
    this.concurrency = concurrency
    this.quickMs = quickMs * Math.max(1, concurrency / cores)
  }

  /** A script has run for so long. */
  note(durationMs: number): void {
    const replaced = this.durations[this.next]
    if (replaced !== undefined) {
      this.sum -= replaced
      if (replaced >= this.quickMs) this.slow -= 1
    }
    this.durations[this.next] = durationMs
    this.sum += durationMs
    if (durationMs >= this.quickMs) this.slow += 1
    this.next = (this.next + 1) % samples
  }

  /**
   * What was claimed ahead had to go back: other jobs have come than those it was judged by. Without
   * this the same jobs would be claimed and given back ten times a second, until slow ones have ended.
   */
  forget(): void {
    this.durations = []
    this.next = 0
    this.slow = 0
    this.sum = 0
  }

  /** Jobs to hold beyond those that run. */
  get allowance(): number {
    const count = this.durations.length
    // By the 95th percentile: one slow job among twenty is an accident.
    if (count < minSamples || this.slow > count * 0.05) return 0
    const meanMs = Math.max(this.sum / count, 0.01)
    return Math.min(maxAhead, Math.floor((this.concurrency * aheadMs) / meanMs))
  }
}
