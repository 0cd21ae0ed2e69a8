/** What it took one process to work through its queue. */
export interface DrainTime {
  readonly jobs: number
  readonly elapsedMs: number
  /** CPU time of the process, user and system; of all its threads, not of its children. */
  readonly cpuMs: number
}

/** Measures from `begin` until `end`. */
export function stopwatch(): { readonly end: (jobs: number, atMs?: number) => DrainTime } {
  const usage = process.cpuUsage()
  const startedAt = performance.now()
  return {
    end(jobs, atMs = performance.now()) {
      const { user, system } = process.cpuUsage(usage)
      return { jobs, elapsedMs: atMs - startedAt, cpuMs: (user + system) / 1000 }
    },
  }
}

/** Jobs a second. */
export const rateOf = ({ jobs, elapsedMs }: DrainTime): number => (jobs / elapsedMs) * 1000
