import type { Queries } from '../database/index.ts'
import {
  type HistogramName,
  bucketCounter,
  bucketOf,
  histogramBounds,
  sumCounter,
} from './histograms.ts'
import { saveCounters } from './save-counters.ts'

/** Observations by bucket, and their sum. */
interface Observed {
  readonly counts: number[]
  sum: number
}

/**
 * What one executor measures, in memory until the next heartbeat: the queue's speed must not pay
 * for it. If the process dies, what it measured since its last heartbeat is missing from the
 * histograms; how many jobs ended in which way is counted in the statement that ends them.
 */
export class ExecutorMeter {
  /** Totals since the start, not differences: a save that is repeated counts nothing twice. */
  private readonly observed: Record<HistogramName, Observed> = {
    job_duration_seconds: { counts: [], sum: 0 },
    job_wait_seconds: { counts: [], sum: 0 },
    claim_duration_seconds: { counts: [], sum: 0 },
  }
  private hasNews = false

  /** A claim and the jobs it took. One that took none says little, and would make idle beats write. */
  claimed(jobs: readonly { readonly waitMs: number }[], tookMs: number): void {
    if (jobs.length === 0) return
    this.observe('claim_duration_seconds', tookMs / 1000)
    for (const { waitMs } of jobs) this.observe('job_wait_seconds', waitMs / 1000)
  }

  /** A job that ended here for good. */
  jobEnded(status: string, tookMs: number): void {
    if (status !== 'completed' && status !== 'failed' && status !== 'cancelled') return
    this.observe('job_duration_seconds', tookMs / 1000)
  }

  observe(histogram: HistogramName, seconds: number): void {
    const index = bucketOf(histogram, seconds)
    const observed = this.observed[histogram]
    observed.counts[index] = (observed.counts[index] ?? 0) + 1
    observed.sum += Math.max(0, seconds)
    this.hasNews = true
  }

  /** Writes the totals, if they changed. After a failure the next call writes them. */
  async save(queries: Queries, executorId: string): Promise<void> {
    if (!this.hasNews) return
    this.hasNews = false
    try {
      await saveCounters(queries, executorId, this.totals())
    } catch (error) {
      this.hasNews = true
      throw error
    }
  }

  private totals(): ReadonlyMap<string, number> {
    const totals = new Map<string, number>()
    for (const histogram of Object.keys(histogramBounds) as HistogramName[]) {
      const { counts, sum } = this.observed[histogram]
      if (counts.length === 0) continue
      for (const [index, count] of counts.entries()) {
        if (count) totals.set(bucketCounter(histogram, index), count)
      }
      totals.set(sumCounter(histogram), sum)
    }
    return totals
  }
}
