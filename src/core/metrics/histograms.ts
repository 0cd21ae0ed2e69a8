/**
 * Histograms that many processes fill. Each bucket is a counter row that holds its own
 * observations only, not those of the buckets below, so that one observation changes two rows.
 */

/** Upper bounds of the buckets, in seconds; 30, 300 and 1800 are limits that operators set. */
export const histogramBounds = {
  job_duration_seconds: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800],
  job_wait_seconds: [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600,
  ],
  claim_duration_seconds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
} as const satisfies Record<string, readonly number[]>

export type HistogramName = keyof typeof histogramBounds

/** Which bucket an observation falls into: the first whose bound it does not pass. */
export function bucketOf(histogram: HistogramName, seconds: number): number {
  const bounds = histogramBounds[histogram]
  let index = 0
  while (index < bounds.length && seconds > (bounds[index] ?? 0)) index += 1
  return index
}

/** Name of the counter row of a bucket. */
export function bucketCounter(histogram: HistogramName, index: number): string {
  return `${histogram}_bucket:${histogramBounds[histogram][index] ?? 'inf'}`
}

/** Name of the counter row of the sum of what was observed. */
export function sumCounter(histogram: HistogramName): string {
  return `${histogram}_sum`
}

/** A histogram as Prometheus wants it: how many observations are at most each bound. */
export interface CumulativeHistogram {
  /** `le` and count; the last is `+Inf`. */
  readonly buckets: readonly (readonly [string, number])[]
  readonly sum: number
  readonly count: number
}

/**
 * Reads a histogram from counters. A bucket of another version's bounds counts from the next bound
 * of ours on, which is true of its observations.
 */
export function cumulativeHistogram(
  histogram: HistogramName,
  counters: Readonly<Record<string, number>>,
): CumulativeHistogram {
  const prefix = `${histogram}_bucket:`
  const stored = Object.entries(counters)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, count]) => {
      const bound = name.slice(prefix.length)
      return { bound: bound === 'inf' ? Number.POSITIVE_INFINITY : Number(bound), count }
    })
  const atMost = (upper: number): number =>
    stored.reduce((total, { bound, count }) => (bound <= upper ? total + count : total), 0)
  const count = atMost(Number.POSITIVE_INFINITY)
  return {
    buckets: [
      ...histogramBounds[histogram].map((upper) => [String(upper), atMost(upper)] as const),
      ['+Inf', count],
    ],
    sum: counters[sumCounter(histogram)] ?? 0,
    count,
  }
}
