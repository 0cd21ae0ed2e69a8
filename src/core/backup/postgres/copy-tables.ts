import { KilnError } from '../../errors/index.ts'
import type { BackedUpTable, TableObject } from '../manifest.ts'
import { isRestoredTable, ownTables } from '../own-tables.ts'
import { writeObject } from '../write-object.ts'
import type { Reader } from './reader.ts'
import type { Snapshot } from './open-snapshot.ts'

export interface CopyTablesInput {
  /** Folder of the set in the making. */
  readonly folder: string
  readonly key: Buffer | null
  readonly rowFormat: 'text' | 'binary'
  /** Pages of a file at most. */
  readonly rangePages?: number
  readonly signal: AbortSignal
  readonly onBytes: (bytes: number) => void
  readonly onRows: (rows: number) => void
}

interface LiveTable {
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly pages: number
}

interface Range {
  readonly table: LiveTable
  /** First page and the page after the last; null: the table as a whole. */
  readonly pages: readonly [number, number] | null
}

/** 64 MB of the usual 8 KB: a few seconds of work, so that connections end at about the same time. */
const usualRangePages = 8192

/** Copies all of Kiln's tables into the set; several connections take range after range. */
export async function copyTables(
  snapshot: Snapshot,
  input: CopyTablesInput,
): Promise<readonly BackedUpTable[]> {
  const tables = await readTables(snapshot)
  const ranges = tables.flatMap((table) => rangesOf(table, input.rangePages ?? usualRangePages))
  const objects = new Map<string, TableObject[]>(tables.map(({ name }) => [name, []]))
  const queue = ranges
    // Large ones first, small ones fill the gaps at the end.
    .toSorted((a, b) => sizeOf(b) - sizeOf(a))
    [Symbol.iterator]()
  let hasFailed = false
  const work = async (reader: Reader): Promise<void> => {
    for (const range of queue) {
      if (hasFailed) return
      objects.get(range.table.name)?.push(await copyRange(reader, snapshot.schema, range, input))
    }
  }
  await allOrFirstError(
    snapshot.readers.map((reader) =>
      work(reader).catch((error: unknown) => {
        hasFailed = true
        throw error
      }),
    ),
  )
  return tables.map(({ name, columns }) => {
    const own = (objects.get(name) ?? []).toSorted(
      (a, b) => (a.pages?.[0] ?? 0) - (b.pages?.[0] ?? 0),
    )
    return {
      name,
      columns: [...columns],
      rows: own.reduce((sum, { rows }) => sum + rows, 0),
      plainBytes: own.reduce((sum, { plainBytes }) => sum + plainBytes, 0),
      isRestored: isRestoredTable(name),
      objects: own,
    }
  })
}

async function copyRange(
  reader: Reader,
  schema: string,
  { table, pages }: Range,
  { folder, key, rowFormat, signal, onBytes, onRows }: CopyTablesInput,
): Promise<TableObject> {
  const columns = table.columns.map(({ name }) => quoted(name)).join(', ')
  const what =
    pages === null
      ? `${schema}.${table.name} (${columns})`
      : `(select ${columns} from only ${schema}.${table.name} where ${inPages(pages, table.pages)})`
  const format = rowFormat === 'binary' ? ' (format binary)' : ''
  const suffix = pages === null ? '' : `-${String(pages[0]).padStart(10, '0')}`
  let written: Awaited<ReturnType<typeof writeObject>> | undefined
  const rows = await reader.copy(`copy ${what} to stdout${format}`, async (source) => {
    written = await writeObject({
      folder,
      path: `pg/${table.name}${suffix}.copy.zst`,
      source,
      codec: 'zstd',
      key,
      signal,
      onBytes,
    })
  })
  if (!written) throw new Error('nothing was written')
  onRows(rows)
  return { ...written, rows, pages: pages === null ? null : [pages[0], pages[1]] }
}

/** The last range has no end: the file may have grown since its size was read. */
const inPages = ([from, to]: readonly [number, number], count: number): string =>
  `ctid >= '(${from},0)'::tid` + (to >= count ? '' : ` and ctid < '(${to},0)'::tid`)

function rangesOf(table: LiveTable, pagesOfRange: number): readonly Range[] {
  if (table.pages === 0) return []
  if (table.pages <= pagesOfRange) return [{ table, pages: null }]
  const count = Math.ceil(table.pages / pagesOfRange)
  return Array.from({ length: count }, (_, index) => ({
    table,
    pages: [index * pagesOfRange, Math.min(table.pages, (index + 1) * pagesOfRange)] as const,
  }))
}

const sizeOf = ({ table, pages }: Range): number => (pages ? pages[1] - pages[0] : table.pages)

/** Column lists are explicit: the order of columns differs between databases of different ages. */
async function readTables({ readers: [first], schema }: Snapshot): Promise<readonly LiveTable[]> {
  const tables = await first.ask<{
    name: string
    columns: { name: string; type: string }[]
    pages: number
  }>(
    `select
       c.relname as name,
       pg_relation_size(c.oid) / current_setting('block_size')::bigint as pages,
       (
         select json_agg(
           json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod))
           order by a.attnum
         )
         from pg_attribute a
         where a.attrelid = c.oid
           and a.attnum > 0
           and not a.attisdropped
           and a.attgenerated = ''
       ) as columns
     from pg_class c
     join pg_namespace n on n.oid = c.relnamespace
     where quote_ident(n.nspname) = $1
       and c.relname = any ($2)
       and c.relkind = 'r'
     order by c.relname`,
    [schema, ownTables()],
  )
  const missing = ownTables().filter((name) => !tables.some((table) => table.name === name))
  if (missing.length === 0) return tables
  throw new KilnError('SCHEMA_OUTDATED', `${schema} has no ordinary table ${missing.join(', ')}`, {
    hint: 'run: kiln migrate verify',
  })
}

/** Waits for all, so that nobody writes into a folder that is being removed. */
async function allOrFirstError(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
