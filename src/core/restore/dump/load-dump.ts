import { Readable } from 'node:stream'
import { KilnError } from '../../errors/index.ts'
import { isRestoredTable } from '../postgres/table-roles.ts'
import type { RowsPart, TableRows } from '../postgres/table-rows.ts'
import { DumpReader } from './dump-reader.ts'
import { type DumpTarget, readDumpStatement } from './dump-statement.ts'
import { copyLine, rowsOfInsert } from './insert-values.ts'

/** Where a dump's rows go. */
export interface DumpSink {
  /** Columns of a table that takes part, in its order. */
  columnsOf(table: string): readonly string[]
  load(rows: Pick<TableRows, 'table' | 'columns' | 'format'>, part: RowsPart): Promise<number>
  setEncoding(encoding: string): Promise<void>
}

export interface LoadedDump {
  /** Rows by table; a table that is there and empty has 0. */
  readonly tables: ReadonlyMap<string, number>
  /** DDL, settings and the like. */
  readonly skippedStatements: number
  /** Commands of psql. */
  readonly skippedCommands: number
  /** Rows of tables that no restore fills. */
  readonly skippedTables: ReadonlyMap<string, number>
}

/** What they had before Kiln: columns of rows that do not name theirs. */
const classicColumns: Readonly<Record<string, readonly string[]>> = {
  analyses: [
    'id',
    'title',
    'script_content',
    'project_id',
    'version',
    'is_active',
    'metadata',
    'created_by',
    'created_at',
    'updated_at',
  ],
  analysis_versions: [
    'id',
    'analysis_id',
    'version_number',
    'script_content',
    'change_description',
    'created_by',
    'metadata',
    'created_at',
  ],
  analysis_jobs: [
    'id',
    'analysis_id',
    'status',
    'parameters',
    'result',
    'error_message',
    'logs',
    'created_at',
    'started_at',
    'completed_at',
    'execution_time_ms',
    'triggered_by',
  ],
  analysis_schedules: [
    'id',
    'analysis_id',
    'cron_expression',
    'timezone',
    'enabled',
    'last_run_at',
    'next_run_at',
    'created_at',
    'updated_at',
  ],
  analysis_dependencies: [
    'id',
    'analysis_id',
    'dependency_type',
    'dependency_name',
    'dependency_id',
    'created_at',
  ],
  analysis_result_storage: ['id', 'job_id', 'storage_path', 'size_bytes', 'checksum', 'created_at'],
}

/** Character sets in which a byte of ASCII may be part of another character. */
const unsafeEncodings =
  /^(sjis|shift_jis|shift_jis_2004|mskanji|big5|win950|gbk|win936|uhc|win949|gb18030|johab)$/i

/**
 * Reads a dump as text and loads the rows of Kiln's tables. Nothing of it is run: statements other than
 * COPY and INSERT of literals are counted and left out.
 *
 * @throws KilnError BACKUP_DATA_INVALID for what is not as pg_dump writes it, for a file that is cut off,
 * and for one without rows; what the sink throws for a row that a table refuses.
 */
export async function loadDump(
  stream: Readable,
  name: string,
  sink: DumpSink,
): Promise<LoadedDump> {
  const load = new DumpLoad(new DumpReader(stream, name), name, sink)
  try {
    return await load.run()
  } finally {
    stream.destroy()
  }
}

class DumpLoad {
  readonly #reader: DumpReader
  readonly #name: string
  readonly #sink: DumpSink
  readonly #tables = new Map<string, number>()
  readonly #skippedTables = new Map<string, number>()
  readonly #schemas = new Map<string, string>()
  readonly #orders = new Map<string, readonly string[]>()
  #skippedStatements = 0
  #skippedCommands = 0

  constructor(reader: DumpReader, name: string, sink: DumpSink) {
    this.#reader = reader
    this.#name = name
    this.#sink = sink
  }

  async run(): Promise<LoadedDump> {
    for (let item = await this.#reader.next(); item; item = await this.#reader.next()) {
      if (item.kind === 'command') {
        this.#skippedCommands += 1
        continue
      }
      const statement = readDumpStatement(item.text)
      if (statement.kind === 'copy') await this.#copy(statement.target)
      else if (statement.kind === 'insert') await this.#insert(statement.target, statement.values)
      else {
        this.#skippedStatements += 1
        if (statement.kind === 'table') this.#keepOrder(statement.target)
        if (statement.kind === 'setting') await this.#obey(statement.name, statement.value)
      }
    }
    const rows = [...this.#tables.values()].reduce((sum, count) => sum + count, 0)
    if (rows === 0) {
      throw new KilnError('BACKUP_DATA_INVALID', `${this.#name} has no rows of Kiln's tables`, {
        hint: `make the dump with: pg_dump --data-only --table='analyses*' --table='analysis_*'`,
      })
    }
    return {
      tables: this.#tables,
      skippedStatements: this.#skippedStatements,
      skippedCommands: this.#skippedCommands,
      skippedTables: this.#skippedTables,
    }
  }

  async #copy(target: DumpTarget): Promise<void> {
    const rows = { count: 0 }
    const data = counted(this.#reader.copyData(), rows)
    const part = this.#partOf(target, () => Readable.from(data, { objectMode: false }))
    if (!part) {
      for await (const _ of data) continue
      this.#skip(target.table, rows.count)
      return
    }
    const loaded = await this.#sink.load(part.rows, part.part)
    if (loaded !== rows.count) {
      throw this.#invalid(`${target.table} took ${loaded} of ${rows.count} rows`)
    }
    this.#tables.set(target.table, (this.#tables.get(target.table) ?? 0) + loaded)
  }

  /** Consecutive ones of a table go to the server as one. */
  async #insert(target: DumpTarget, values: string): Promise<void> {
    const rows = { count: 0 }
    const lines = this.#linesOf(target, values, rows)
    const open = () => Readable.from(lines, { objectMode: false })
    const fields = isRestoredTable(target.table) ? rowsOfInsert(values, target.table)[0]?.length : 0
    const part = this.#partOf(target, open, fields)
    if (!part) {
      this.#skip(target.table, rowCountOf(values, target.table))
      return
    }
    const loaded = await this.#sink.load(part.rows, part.part)
    if (loaded !== rows.count) {
      throw this.#invalid(`${target.table} took ${loaded} of ${rows.count} rows`)
    }
    this.#tables.set(target.table, (this.#tables.get(target.table) ?? 0) + loaded)
  }

  async *#linesOf(
    target: DumpTarget,
    first: string,
    rows: { count: number },
  ): AsyncGenerator<Buffer> {
    const key = JSON.stringify(target)
    let values: string | undefined = first
    while (values !== undefined) {
      const fields = rowsOfInsert(values, target.table)
      rows.count += fields.length
      yield Buffer.from(fields.map(copyLine).join(''), 'latin1')
      values = undefined
      const item = await this.#reader.next()
      if (!item) return
      const statement = item.kind === 'statement' ? readDumpStatement(item.text) : undefined
      if (statement?.kind === 'insert' && JSON.stringify(statement.target) === key) {
        values = statement.values
      } else this.#reader.pushBack(item)
    }
  }

  #partOf(target: DumpTarget, open: () => Readable, fieldCount?: number) {
    const { table, schema } = target
    if (!isRestoredTable(table) || isOfEarlierRestore(schema)) return undefined
    const known = this.#schemas.get(table)
    if (known !== undefined && known !== (schema ?? '')) {
      throw this.#invalid(`it has rows of ${table} in two schemas, ${known} and ${schema ?? ''}`)
    }
    this.#schemas.set(table, schema ?? '')
    const columns = this.#columnsOf(target, fieldCount)
    return {
      rows: { table, columns, format: 'text' as const },
      part: { name: this.#name, rows: 0, open },
    }
  }

  #columnsOf({ table, columns }: DumpTarget, fieldCount: number | undefined): readonly string[] {
    const all = this.#sink.columnsOf(table)
    const classic = classicColumns[table]
    const named =
      columns ??
      this.#orders.get(table) ??
      (classic?.length === fieldCount ? classic : undefined) ??
      all
    for (const column of named) {
      if (!all.includes(column)) {
        throw this.#invalid(`${table} has a column ${column}, which Kiln's has not`)
      }
    }
    return named
  }

  #keepOrder({ table, schema, columns }: DumpTarget): void {
    if (columns && !isOfEarlierRestore(schema)) this.#orders.set(table, columns)
  }

  #skip(table: string, rows: number): void {
    this.#skippedTables.set(table, (this.#skippedTables.get(table) ?? 0) + rows)
  }

  async #obey(setting: string, value: string): Promise<void> {
    if (setting === 'standard_conforming_strings' && /^(off|false|no|0)$/i.test(value)) {
      throw this.#invalid(
        'its strings are not in the standard form (standard_conforming_strings is off)',
      )
    }
    if (setting !== 'client_encoding') return
    if (!/^[\w-]+$/.test(value) || unsafeEncodings.test(value)) {
      throw this.#invalid(`its character set ${value} cannot be read`)
    }
    await this.#sink.setEncoding(value)
  }

  #invalid(reason: string): KilnError {
    return new KilnError('BACKUP_DATA_INVALID', `${this.#name}: ${reason}`, {
      hint: `nothing was changed; make the dump with pg_dump of Kiln's tables`,
    })
  }
}

/** Of a table that is left out; what is not literals is nobody's business there. */
function rowCountOf(values: string, table: string): number {
  try {
    return rowsOfInsert(values, table).length
  } catch {
    return 1
  }
}

/** The tables of before, which an earlier restore has kept. */
const isOfEarlierRestore = (schema: string | null): boolean => /^kiln_(old|new)_/.test(schema ?? '')

/** Counts rows: each ends with a line feed, and has none inside. */
async function* counted(
  data: AsyncGenerator<Buffer>,
  rows: { count: number },
): AsyncGenerator<Buffer> {
  for await (const chunk of data) {
    for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, at + 1)) rows.count += 1
    yield chunk
  }
}
