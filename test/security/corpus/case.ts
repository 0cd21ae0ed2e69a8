/** One script that misbehaves, and how its job has to end. */
export interface Case {
  readonly name: string
  /** The whole script. */
  readonly source: string
  /** Error code of the failed job, or those it may have where a race decides; none: it completes. */
  readonly code?: string | readonly string[]
  /** What a completed job returns, where that matters. */
  readonly result?: unknown
  readonly parameters?: Readonly<Record<string, unknown>>
}

type Rest = Omit<Case, 'name' | 'source'>

/** Wall time of a job that ends by it, of one that may or waits for a reply first, and of others. */
const timeoutSecondsOf = ({ code }: Rest, body: string): number => {
  if (code === 'timeout' && !body.includes('ctx.')) return 0.25
  return [code].flat().some((one) => one === 'timeout' || one === 'cpu_limit') ? 1 : 20
}

/**
 * A case from the body of `run`. `$OUT` stands for a folder that a job must not reach, `$MARK` for
 * the beginning of a file's name that must appear nowhere.
 */
export const run = (name: string, body: string, rest: Rest = {}): Case => ({
  name,
  source: `export default {
  dependencies: { datasources: ['shop', 'birds', 'warehouse'] },
  limits: { timeoutSeconds: ${timeoutSecondsOf(rest, body)} },
  async run(ctx, params) {
    ${body}
  },
}`,
  ...rest,
})

/** A case that runs SQL in the job's DuckDB and lets its error pass. */
export const duckdb = (sql: string, rest: Rest = { code: 'datasource_error' }): Case =>
  run(`DuckDB: ${sql}`, `return await ctx.duckdb.query(${JSON.stringify(sql)})`, rest)

/** A case that runs SQL on a Postgres datasource and lets its error pass. */
export const postgres = (sql: string, rest: Rest = { code: 'datasource_error' }): Case =>
  run(`Postgres: ${sql}`, `return await ctx.datasource.shop.query(${JSON.stringify(sql)})`, rest)

/** A case of a whole script. */
export const script = (name: string, source: string, rest: Rest = {}): Case => ({
  name,
  source,
  ...rest,
})
