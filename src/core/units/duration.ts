const factorsMs: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/**
 * Reads a duration such as `500ms`, `10s`, `1h30m`, `7d` into milliseconds; a bare number counts
 * in seconds. Undefined when the text is not a duration.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Math.round(Number(trimmed) * 1000)
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(trimmed)) return undefined
  let total = 0
  for (const part of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) {
    total += Number(part[1]) * (factorsMs[part[2] ?? ''] ?? Number.NaN)
  }
  return Number.isFinite(total) ? Math.round(total) : undefined
}

/** Milliseconds for people: `12 ms`, `3.4 s`, `2 m 5 s`, `1 h 3 m`, `4 d 2 h`. */
export function formatDuration(milliseconds: number): string {
  const ms = Math.max(0, Math.round(milliseconds))
  if (ms < 1000) return `${ms} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const pairs: readonly [string, number, string, number][] = [
    ['d', 86_400_000, 'h', 3_600_000],
    ['h', 3_600_000, 'm', 60_000],
    ['m', 60_000, 's', 1000],
  ]
  for (const [big, bigMs, small, smallMs] of pairs) {
    if (ms < bigMs) continue
    const rest = Math.floor((ms % bigMs) / smallMs)
    return `${Math.floor(ms / bigMs)} ${big}${rest > 0 ? ` ${rest} ${small}` : ''}`
  }
  return `${ms} ms`
}
