/**
 * What a script of Kiln sees, for editors and type checkers. `kiln analysis init` puts this file
 * beside a script. In TypeScript:
 *
 *     import type { Analysis } from './.kiln/analysis.d.ts'
 *     export default { async run(ctx, params) { … } } satisfies Analysis
 *
 * in JavaScript a comment with the same type stands above the default export. Types are stripped
 * before the script runs, so the path matters to the editor only.
 */

/**
 * A row of a query: numbers, texts, booleans, nulls, parsed JSON. 64-bit integers and decimals are
 * numbers; timestamps are RFC 3339 texts in UTC, dates `YYYY-MM-DD`, bytes base64.
 */
export type Row = Record<string, any>

export interface QueryOptions {
  /** Decimals as texts with all their digits, instead of the nearest number. */
  exact?: boolean
}

/** A declared datasource. `$1`, `$2`, … in the statement stand for `params`. */
export interface Datasource {
  query<T = Row>(sql: string, params?: readonly unknown[], options?: QueryOptions): Promise<T[]>
  /** Rows one after the other; `batchSize` (1000) of them travel at a time. */
  stream<T = Row>(
    sql: string,
    params?: readonly unknown[],
    batchSize?: number,
    options?: QueryOptions,
  ): AsyncIterable<T>
}

/** By name: `ctx.datasource.orders.query(sql)`, or `ctx.datasource.query('orders', sql)`. */
export type Datasources = Record<string, Datasource> & {
  query<T = Row>(
    name: string,
    sql: string,
    params?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<T[]>
  stream<T = Row>(
    name: string,
    sql: string,
    params?: readonly unknown[],
    batchSize?: number,
    options?: QueryOptions,
  ): AsyncIterable<T>
}

/** The job's own DuckDB. Declared datasources of type `file` are views of their name in it. */
export interface Duckdb {
  query<T = Row>(sql: string, params?: readonly unknown[], options?: QueryOptions): Promise<T[]>
  /** For a statement without rows, such as `create table`; `rowCount` is how many it changed. */
  exec(sql: string, params?: readonly unknown[]): Promise<{ rowCount: number }>
  /** Copies the rows of a query on a datasource into a new table, in bulk. */
  load(
    datasource: string,
    sql: string,
    table: string,
    params?: readonly unknown[],
  ): Promise<{ rowCount: number }>
  /** Writes a table to a file in the job's folder. */
  export(table: string, file: string): Promise<{ rowCount: number; sizeBytes: number }>
  tables(): Promise<{ database: string; schema: string; name: string; kind: 'table' | 'view' }[]>
  describe(table: string): Promise<{ name: string; type: string; isNullable: boolean }[]>
}

type Log = (...values: unknown[]) => void

export interface Context {
  readonly job: {
    readonly id: string
    readonly attempt: number
    readonly idempotencyKey: string | null
    readonly triggeredBy: string
  }
  readonly analysis: { readonly name: string; readonly version: number }
  readonly project: { readonly id: string }
  /** The occurrence of a scheduled job, else its start; RFC 3339 in UTC. */
  readonly now: string
  readonly datasource: Datasources
  readonly duckdb: Duckdb
  /** Runs a declared analysis as a child of this job and returns its result. */
  runAnalysis<T = any>(name: string, params?: Record<string, unknown>): Promise<T>
  /** Kept per analysis from job to job. */
  readonly metadata: {
    get<T = any>(key: string): Promise<T | null>
    set(key: string, value: unknown): Promise<null>
  }
  readonly log: Log & Record<'debug' | 'info' | 'warn' | 'error', Log>
  readonly debug: Log
  readonly info: Log
  readonly warn: Log
  readonly error: Log
  /** How far the job is, from 0 to 1. */
  progress(fraction: number, message?: string): void
  sleep(ms: number): Promise<null>
  shouldStop(): boolean
}

export interface Parameter {
  type:
    | 'string'
    | 'text'
    | 'number'
    | 'integer'
    | 'boolean'
    | 'date'
    | 'select'
    | 'multiselect'
    | 'object'
    | 'array'
  required?: boolean
  /** A date may be `today`, `yesterday`, `week_start`, `last_month`, … */
  default?: unknown
  description?: string
  /** Choices of a select or multiselect; a function may look for them in the datasources. */
  options?: readonly Option[] | OptionsFunction
  min?: number | string
  max?: number | string
  /** Regular expression that a text must match. */
  pattern?: string
  /** Parameters whose values the options need. */
  depends_on?: string | readonly string[]
}

type OptionValue = string | number | boolean
type Option = OptionValue | { value: OptionValue; label?: string }
/** `params`: the values that are known of the other parameters. Rows need a column `value`. */
type OptionsFunction = (
  ctx: Context,
  params: Record<string, any>,
) => readonly (Option | Row)[] | Promise<readonly (Option | Row)[]>

/** What a script declares, in either form. */
export interface Declaration {
  title?: string
  description?: string
  parameters?: readonly (Parameter & { name: string })[] | Record<string, Parameter>
  /** Nothing that is not named here is within reach. */
  dependencies?: { datasources?: readonly string[]; analyses?: readonly string[] }
  /** At most the operator's own limits; memory as in `256MB`. */
  limits?: { timeoutSeconds?: number; cpuSeconds?: number; memory?: string | number }
  /** `read`: the project's DuckDB file is there as `project`; `write`: it is `ctx.duckdb` itself. */
  database?: 'scratch' | 'read' | 'write'
  retries?: number | { limit: number; delaySeconds?: number; backoff?: 'fixed' | 'exponential' }
  maxConcurrent?: number
  schedule?: string | { cron: string; timezone?: string; enabled?: boolean }
}

/** The object form. The result may be any JSON value. */
export interface Analysis<Params = Record<string, any>> extends Declaration {
  run(ctx: Context, params: Params): unknown
}

/** The function form: parameters first; declarations are named exports beside it. */
export type Analyze<Params = Record<string, any>> = (params: Params, ctx: Context) => unknown
