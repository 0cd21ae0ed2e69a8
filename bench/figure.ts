import { cpus, totalmem } from 'node:os'

/**
 * One comparison of Kiln with a peer, both measured in the same run: only their ratio means
 * something on another machine.
 */
export interface Figure {
  /** Name, unique over all figures, such as `startup: kiln --version`. */
  readonly figure: string
  /** Of `ours` and `peer`; the printed fields end with it: `ours_ms`, `peer_rows_per_s`. */
  readonly unit: 'ms' | 'rows_per_s' | 'jobs_per_s' | 'fires_per_s'
  readonly ours: number
  /** Undefined: nobody else does it; the limit is one of `ours` itself. */
  readonly peer?: number
  /** What `ours / peer` has to keep: `atMost` for times, `atLeast` for rates. */
  readonly limit: { readonly atMost: number } | { readonly atLeast: number }
  /** Programs that were measured, by name. */
  readonly versions: Readonly<Record<string, string>>
}

/** The value in the middle; of an even number the upper one of the two. */
export function median(values: readonly number[]): number {
  const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
  if (middle === undefined) throw new Error('median of nothing')
  return middle
}

/**
 * Runs the sides in turns, `rounds` times each, and returns the samples of each side: a machine
 * that slows down for a while slows all of them. The first turn of each warms up and is left out.
 */
export async function interleave<Side extends string>(
  rounds: number,
  sides: Readonly<Record<Side, () => number | Promise<number>>>,
): Promise<Record<Side, number[]>> {
  const names = Object.keys(sides) as Side[]
  const samples = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Side,
    number[]
  >
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of names) {
      const sample = await sides[name]()
      if (round > 0) samples[name].push(sample)
    }
  }
  return samples
}

export const ratioOf = (figure: Figure): number => figure.ours / (figure.peer ?? 1)

export function isKept(figure: Figure): boolean {
  const ratio = ratioOf(figure)
  return 'atMost' in figure.limit ? ratio <= figure.limit.atMost : ratio >= figure.limit.atLeast
}

/** The JSON line of a figure. */
export function figureLine(figure: Figure): string {
  const { limit, unit } = figure
  return JSON.stringify({
    figure: figure.figure,
    [`ours_${unit}`]: round(figure.ours),
    ...(figure.peer === undefined
      ? {}
      : { [`peer_${unit}`]: round(figure.peer), ratio: round(ratioOf(figure)) }),
    limit: 'atMost' in limit ? `at most ${limit.atMost}` : `at least ${limit.atLeast}`,
    kept: isKept(figure),
    versions: { node: process.versions.node, ...figure.versions },
    machine: {
      platform: `${process.platform}-${process.arch}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memory_bytes: totalmem(),
    },
  })
}

const round = (value: number): number => Number(value.toPrecision(4))
