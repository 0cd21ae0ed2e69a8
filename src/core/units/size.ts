const factors: Record<string, number> = {
  b: 1,
  kb: 1024,
  mb: 1024 ** 2,
  gb: 1024 ** 3,
  tb: 1024 ** 4,
}

/**
 * Reads a size such as `256MB`, `1.5 GiB` or `1048576` into bytes; units are powers of 1024, as
 * Postgres and DuckDB settings have them. Undefined when the text is not a size.
 */
export function parseSize(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)\s*$/i.exec(text)
  if (!match) return undefined
  const unit = (match[2] ?? '').toLowerCase().replace('i', '')
  const factor = factors[unit === '' ? 'b' : unit.endsWith('b') ? unit : `${unit}b`]
  const bytes = Number(match[1]) * (factor ?? Number.NaN)
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined
}

/** Bytes for people: `512 B`, `1.5 MB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}
