import { cpus, loadavg, totalmem } from 'node:os'

/**
 * One comparison of Kiln with a peer, both measured in the same run: only their ratio means
 * something on another machine.
 */
export interface Figure {
  /** Name, unique over all figures, such as `startup: kiln --version`. */
  readonly figure: string
  /** Of `ours` and `peer`; the printed fields end with it: `ours_ms`, `peer_rows_per_s`. */
  readonly unit: 'ms' | 'rows_per_s' | 'jobs_per_s' | 'fires_per_s' | 'mb_per_s' | 'bytes'
  readonly ours: number
  /** Absent where nobody else does it; a limit is one of `ours` itself then. */
  readonly peer?: number
  /** What `ours / peer` has to keep: `atMost` for times, `atLeast` for rates. */
  readonly limit?: { readonly atMost: number } | { readonly atLeast: number }
  /** What else was seen, printed as it is: each name ends with its unit. */
  readonly details?: Readonly<Record<string, number | string>>
  /** Programs that were measured, by name. */
  readonly versions: Readonly<Record<string, string>>
}

/** The value in the middle; of an even number the upper one of the two. */
export const median = (values: readonly number[]): number => percentile(values, 50)

/** The smallest value that is above `percent` per cent of them. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))]
  if (value === undefined) throw new Error('percentile of nothing')
  return value
}

/**
 * Runs the sides in turns, `rounds` times each, and returns the samples of each side: a machine
 * that slows down for a while slows all of them. The first turns of each warm it up and are left out.
 */
export async function interleave<Side extends string, Sample = number>(
  rounds: number,
  sides: Readonly<Record<Side, () => Sample | Promise<Sample>>>,
  warmUps = 1,
): Promise<Record<Side, Sample[]>> {
  const names = Object.keys(sides) as Side[]
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Side,
    Sample[]
  >
  for (let round = 0; round < warmUps + rounds; round += 1) {
    for (const name of names) {
      const sample = await sides[name]()
      if (round >= warmUps) samples[name].push(sample)
    }
  }
  return samples
}

const ratioOf = ({ ours, peer }: Figure): number | undefined =>
  peer === undefined ? undefined : ours / peer

/** True where nothing is asked of the figure. */
export function isKept(figure: Figure): boolean {
  const { limit } = figure
  if (limit === undefined) return true
  const value = ratioOf(figure) ?? figure.ours
  return 'atMost' in limit ? value <= limit.atMost : value >= limit.atLeast
}

/** The JSON line of a figure. */
export function figureLine(figure: Figure): string {
  const { peer, unit } = figure
  const ratio = ratioOf(figure)
  return JSON.stringify({
    figure: figure.figure,
    [`ours_${unit}`]: round(figure.ours),
    ...(peer === undefined ? {} : { [`peer_${unit}`]: round(peer) }),
    ...(ratio === undefined ? {} : { ratio: round(ratio) }),
    ...limitFields(figure),
    ...detailFields(figure),
    measured_at: new Date().toISOString(),
    versions: { node: process.versions.node, ...figure.versions },
    machine: {
      platform: `${process.platform}-${process.arch}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memory_bytes: totalmem(),
      // Of the last five minutes: far above what was measured, somebody else was at work.
      load_average: round(loadavg()[1] ?? 0),
    },
  })
}

function limitFields(figure: Figure): Record<string, string | boolean> {
  const { limit } = figure
  if (!limit) return {}
  const text = 'atMost' in limit ? `at most ${limit.atMost}` : `at least ${limit.atLeast}`
  return { limit: text, kept: isKept(figure) }
}

function detailFields({ details = {} }: Figure): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [
      name,
      typeof value === 'number' ? round(value) : value,
    ]),
  )
}

const round = (value: number): number => Number(value.toPrecision(4))
