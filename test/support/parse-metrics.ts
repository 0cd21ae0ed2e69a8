/** A strict reader of Prometheus' text format 0.0.4; fails on what a scrape would refuse. */
export interface MetricFamily {
  readonly type: string
  readonly help: string
  /** Values by their text before the blank: name and labels. */
  readonly samples: Map<string, number>
}

const sampleLine =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/

export function parseMetrics(text: string): Map<string, MetricFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line is not ended')
  const families = new Map<string, MetricFamily>()
  let help: readonly [string, string] | undefined
  let current: readonly [string, MetricFamily] | undefined
  for (const line of text.split('\n').filter(Boolean)) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line)
    if (comment) {
      const [, kind, name = '', rest = ''] = comment
      if (kind === 'HELP') help = [name, rest]
      else {
        if (families.has(name)) throw new Error(`${name} comes twice`)
        if (help?.[0] !== name) throw new Error(`${name} has no help`)
        current = [name, { type: rest, help: help[1], samples: new Map() }]
        families.set(...current)
      }
      continue
    }
    const [, name = '', labels = '', value = ''] = sampleLine.exec(line) ?? []
    if (!name) throw new Error(`not a sample: ${line}`)
    if (!current || !belongs(name, ...current)) throw new Error(`${name} stands in no family`)
    if (current[1].samples.has(name + labels)) throw new Error(`${name}${labels} comes twice`)
    const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
    if (Number.isNaN(number) && value !== 'Nan') throw new Error(`not a number: ${line}`)
    current[1].samples.set(name + labels, number)
  }
  for (const [name, family] of families)
    if (family.type === 'histogram') checkHistogram(name, family)
  return families
}

function belongs(sample: string, name: string, { type }: MetricFamily): boolean {
  if (type === 'histogram') return /^_(bucket|sum|count)$/.test(sample.slice(name.length))
  if (type === 'summary') return sample === name || /^_(sum|count)$/.test(sample.slice(name.length))
  return sample === name
}

/** Buckets of one set of labels go up, and the last holds everything. */
function checkHistogram(name: string, { samples }: MetricFamily): void {
  const last = new Map<string, number>()
  for (const [series, value] of samples) {
    if (!series.startsWith(`${name}_bucket`)) continue
    const labels = series.slice(`${name}_bucket`.length).replace(/le="[^"]*",?/, '')
    if (value < (last.get(labels) ?? 0)) throw new Error(`${series} is below the bucket before`)
    last.set(labels, value)
  }
  for (const [labels, infinite] of last) {
    const count = samples.get(`${name}_count${labels === '{}' ? '' : labels.replace(',}', '}')}`)
    if (count !== infinite) throw new Error(`${name}${labels}: ${count} is not ${infinite}`)
  }
}
