/** A row of a result that is a table. */
export type ResultRow = Readonly<Record<string, unknown>>

/**
 * The rows of a result that is a table: an array of objects, itself or as `rows`, else as the only
 * array of an object. Undefined for any other result. An empty array counts as rows where it can be
 * nothing else: as `rows`, or when it is the result.
 */
export function resultRows(result: unknown): readonly ResultRow[] | undefined {
  if (Array.isArray(result)) return areRows(result) ? result : undefined
  if (typeof result !== 'object' || result === null) return undefined
  const { rows } = result as { readonly rows?: unknown }
  if (Array.isArray(rows) && areRows(rows)) return rows
  const arrays = Object.values(result).filter(
    (value): value is unknown[] => Array.isArray(value) && value.length > 0 && areRows(value),
  )
  return arrays.length === 1 ? (arrays[0] as ResultRow[]) : undefined
}

/** Names of all columns, in the order in which the rows bring them. */
export function columnsOf(rows: readonly ResultRow[]): readonly string[] {
  const names = new Set<string>()
  for (const row of rows) for (const name of Object.keys(row)) names.add(name)
  return [...names]
}

const areRows = (values: readonly unknown[]): values is ResultRow[] =>
  values.every((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
