import type { Queries } from '../database/index.ts'
import { type HistogramName, observationCounters } from './histograms.ts'
import { saveCounters } from './save-counters.ts'

/**
 * What one executor measures, in memory until the next heartbeat: the queue's speed must not pay
 * for it. If the process dies, what it measured since its last heartbeat is missing from the
 * histograms; how many jobs ended in which way is counted in the statement that ends them.
 */
export class ExecutorMeter {
  /** Totals since the start, not differences: a save that is repeated counts nothing twice. */
  private readonly totals = new Map<string, number>()
  private hasNews = false

  /** A claim and the jobs it took. One that took none says little, and would make idle beats write. */
  claimed(jobs: readonly { readonly waitMs: number }[], tookMs: number): void {
    if (jobs.length === 0) return
    this.observe('claim_duration_seconds', tookMs / 1000)
    for (const { waitMs } of jobs) this.observe('job_wait_seconds', waitMs / 1000)
  }

  /** A job that ended here for good. */
  jobEnded(status: string, tookMs: number): void {
    if (!['completed', 'failed', 'cancelled'].includes(status)) return
    this.observe('job_duration_seconds', tookMs / 1000)
  }

  observe(histogram: HistogramName, seconds: number): void {
    const { bucket, sum } = observationCounters(histogram, seconds)
    this.add(bucket, 1)
    this.add(sum, Math.max(0, seconds))
    this.hasNews = true
  }

  /** Writes the totals, if they changed. After a failure the next call writes them. */
  async save(queries: Queries, executorId: string): Promise<void> {
    if (!this.hasNews) return
    this.hasNews = false
    try {
      await saveCounters(queries, executorId, this.totals)
    } catch (error) {
      this.hasNews = true
      throw error
    }
  }

  private add(name: string, amount: number): void {
    this.totals.set(name, (this.totals.get(name) ?? 0) + amount)
  }
}
