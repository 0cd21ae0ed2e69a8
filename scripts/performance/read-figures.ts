/** A line of `npm run bench`, as it is printed. */
export interface MeasuredFigure {
  readonly name: string
  /** Of `ours` and `peer`, as the line's field names end: `ms`, `jobs_per_s`. */
  readonly unit: string
  readonly ours: number
  readonly peer: number | undefined
  readonly ratio: number | undefined
  /** `at least 0.8`; undefined where nothing is asked of it. */
  readonly limit: string | undefined
  readonly isKept: boolean
  readonly measuredAt: string | undefined
  /** What else was seen, by its name with the unit. */
  readonly details: Readonly<Record<string, number | string>>
  readonly versions: Readonly<Record<string, string>>
  readonly machine: Readonly<Record<string, number | string>>
}

const known = new Set(['figure', 'ratio', 'limit', 'kept', 'measured_at', 'versions', 'machine'])

/**
 * The figures of JSON lines, in their order. Of one that was measured again the last line counts, and
 * stands where the first one stood.
 *
 * @throws Error naming the line that is no figure.
 */
export function readFigures(text: string): MeasuredFigure[] {
  const figures = new Map<string, MeasuredFigure>()
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    try {
      const figure = readFigure(JSON.parse(line) as Record<string, unknown>)
      figures.set(figure.name, figure)
    } catch (error) {
      throw new Error(`line ${index + 1} is no figure: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  if (figures.size === 0) throw new Error('there are no figures')
  return [...figures.values()]
}

function readFigure(fields: Readonly<Record<string, unknown>>): MeasuredFigure {
  const oursName = Object.keys(fields).find((name) => name.startsWith('ours_'))
  const name = fields.figure
  if (typeof name !== 'string' || oursName === undefined) throw new Error('it has no name or value')
  const unit = oursName.slice('ours_'.length)
  const number = (field: string): number | undefined => {
    const value = fields[field]
    if (value === undefined) return undefined
    if (typeof value !== 'number') throw new Error(`${field} is no number`)
    return value
  }
  const text = (field: string): string | undefined => {
    const value = fields[field]
    return typeof value === 'string' ? value : undefined
  }
  const ours = number(oursName)
  if (ours === undefined) throw new Error(`${oursName} is no number`)
  return {
    name,
    unit,
    ours,
    peer: number(`peer_${unit}`),
    ratio: number('ratio'),
    limit: text('limit'),
    isKept: fields.kept !== false,
    measuredAt: text('measured_at'),
    details: Object.fromEntries(
      Object.entries(fields).filter(
        ([field]) => !known.has(field) && field !== oursName && field !== `peer_${unit}`,
      ),
    ) as MeasuredFigure['details'],
    versions: (fields.versions ?? {}) as MeasuredFigure['versions'],
    machine: (fields.machine ?? {}) as MeasuredFigure['machine'],
  }
}
