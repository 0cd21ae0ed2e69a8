import { type ExtraColumn, addColumns } from './extra-columns.ts'
import { type LiveTable } from './live-tables.ts'
import { loadRows } from './load-rows.ts'
import { type RestoreSession, openRestoreSession, quoted } from './session.ts'
import { restoredTables } from './table-roles.ts'
import type { RowsPart, TableRows } from './table-rows.ts'

/** Fills staged tables over a few connections at a time. */
export class StagingLoader {
  readonly #sessions: readonly RestoreSession[]
  readonly #tables: readonly LiveTable[]
  /** By table: columns that came beside those of the live one. */
  readonly #added: ExtraColumn[] = []
  readonly #schema: string
  readonly #signal: AbortSignal
  readonly #onBytes: ((bytes: number) => void) | undefined
  readonly #loaded = new Map<string, number>()

  constructor(options: {
    readonly sessions: readonly RestoreSession[]
    readonly tables: readonly LiveTable[]
    readonly schema: string
    readonly signal: AbortSignal
    readonly onBytes: ((bytes: number) => void) | undefined
  }) {
    this.#sessions = options.sessions
    this.#tables = options.tables
    this.#schema = options.schema
    this.#signal = options.signal
    this.#onBytes = options.onBytes
  }

  /** Rows that went in, by table; those that have not been touched are not in it. */
  get loaded(): ReadonlyMap<string, number> {
    return this.#loaded
  }

  columnsOf(table: string): readonly string[] {
    const live = this.#tables.find(({ name }) => name === table)?.columns ?? []
    const added = this.#added.filter((column) => column.table === table)
    return [...live, ...added].map(({ name }) => name)
  }

  /** Columns that rows bring and the tables have not. */
  get added(): readonly ExtraColumn[] {
    return this.#added
  }

  async addColumns(columns: readonly ExtraColumn[]): Promise<void> {
    const missing = columns.filter(({ table, name }) => !this.columnsOf(table).includes(name))
    await addColumns(this.#first, this.#schema, missing)
    this.#added.push(...missing)
  }

  /** One part over the first connection; parts of one after the other keep the order of a dump. */
  async load(
    rows: Pick<TableRows, 'table' | 'columns' | 'format'>,
    part: RowsPart,
  ): Promise<number> {
    return await this.#load(this.#first, rows, part)
  }

  /** A loader over the same connections into other tables. */
  forTables(tables: readonly LiveTable[], schema: string): StagingLoader {
    return new StagingLoader({
      sessions: this.#sessions,
      tables,
      schema,
      signal: this.#signal,
      onBytes: this.#onBytes,
    })
  }

  /** Takes the rows of other tables; columns that only ours have keep their defaults. */
  async copyFrom(
    session: RestoreSession,
    other: readonly LiveTable[],
    schema: string,
  ): Promise<void> {
    for (const table of restoredTables) {
      const theirs = other.find(({ name }) => name === table)?.columns.map(({ name }) => name) ?? []
      const columns = this.columnsOf(table)
        .filter((name) => theirs.includes(name))
        .map(quoted)
        .join(', ')
      const { rowCount } = await session.query(
        `insert into ${quoted(this.#schema)}.${quoted(table)} (${columns})
         select ${columns} from ${quoted(schema)}.${quoted(table)}`,
      )
      this.#loaded.set(table, rowCount ?? 0)
    }
  }

  async setEncoding(encoding: string): Promise<void> {
    await this.#first.query(`set client_encoding = ${quoted(encoding)}`)
  }

  /** All parts of all tables, as many at a time as there are connections. Returns rows by part. */
  async loadAll(
    tables: readonly TableRows[],
    onPart: (rows: TableRows, part: RowsPart, count: number) => void,
  ): Promise<void> {
    for (const { table } of tables) this.#loaded.set(table, 0)
    const queue = tables.flatMap((rows) => rows.parts.map((part) => ({ rows, part })))
    await inParallel(this.#sessions, queue, async (session, { rows, part }) => {
      onPart(rows, part, await this.#load(session, rows, part))
    })
  }

  async #load(
    session: RestoreSession,
    rows: Pick<TableRows, 'table' | 'columns' | 'format'>,
    part: RowsPart,
  ): Promise<number> {
    const target = { schema: this.#schema, signal: this.#signal, onBytes: this.#onBytes }
    const count = await loadRows(session, rows, part, target)
    this.#loaded.set(rows.table, (this.#loaded.get(rows.table) ?? 0) + count)
    return count
  }

  get #first(): RestoreSession {
    const [first] = this.#sessions
    if (!first) throw new Error('a loader without connections')
    return first
  }
}

/** Opens more connections beside the first; where the server gives none, the work goes on without. */
export async function openHelpers(
  first: RestoreSession,
  count: number,
  signal: AbortSignal,
): Promise<readonly RestoreSession[]> {
  const helpers: RestoreSession[] = []
  for (let n = 0; n < count; n += 1) {
    const helper = await openRestoreSession(first.target, signal, {
      watch: first.watch,
    }).catch(() => undefined)
    if (helper) helpers.push(helper)
  }
  return helpers
}

/** The first failure stops the others after what they are at, and is thrown. */
export async function inParallel<Item>(
  sessions: readonly RestoreSession[],
  items: readonly Item[],
  work: (session: RestoreSession, item: Item) => Promise<void>,
): Promise<void> {
  const queue = [...items]
  let hasFailed = false
  const outcomes = await Promise.allSettled(
    sessions.map(async (session) => {
      for (let item = queue.shift(); item !== undefined && !hasFailed; item = queue.shift()) {
        await work(session, item).catch((error: unknown) => {
          hasFailed = true
          throw error
        })
      }
    }),
  )
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
}
