import { median } from '../../figure.ts'
import { rateOf } from './drain-time.ts'
import type { Drain } from './queue-bench.ts'

export interface DrainSummary {
  readonly jobsPerSecond: number
  /** Of one side, by names that begin with `name`. */
  readonly details: Readonly<Record<string, number>>
}

/** The medians of several drains; CPU time is that of the side's processes and of the server's. */
export function summarize(name: string, drains: readonly Drain[]): DrainSummary {
  const jobsPerSecond = median(drains.map(rateOf))
  const cpu = drains.map((drain) => ((drain.cpuMs + drain.childrenCpuMs) / drain.jobs) * 1000)
  const postgresCpu = drains.flatMap(({ postgresCpuMs, jobs }) =>
    postgresCpuMs === undefined ? [] : [(postgresCpuMs / jobs) * 1000],
  )
  return {
    jobsPerSecond,
    details: {
      [`${name}_jobs_per_s`]: jobsPerSecond,
      [`${name}_cpu_us_per_job`]: median(cpu),
      ...(postgresCpu.length > 0
        ? { [`${name}_postgres_cpu_us_per_job`]: median(postgresCpu) }
        : {}),
    },
  }
}
