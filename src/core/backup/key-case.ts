/**
 * Names of fields between TypeScript and files: camelCase on this side, snake_case on disk. Only for
 * objects whose keys are all ours, never for ones that hold names of others.
 */
export function toSnakeCase(value: unknown): unknown {
  return renameKeys(value, (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
}

export function toCamelCase(value: unknown): unknown {
  return renameKeys(value, (key) =>
    key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
  )
}

function renameKeys(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renameKeys(item, rename))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [rename(key), renameKeys(inner, rename)]),
  )
}
