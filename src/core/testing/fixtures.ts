import { randomUUID } from 'node:crypto'
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { ResolvedDatasource } from '../datasources/index.ts'
import { startDuckdbProcess } from '../duckdb/index.ts'
import { KilnError } from '../errors/index.ts'
import { fileError, processEntry } from '../os/index.ts'
import { type TestCase, type TestTable, type TypedTable, isTable, isTyped } from './test-file.ts'

type Format = Extract<ResolvedDatasource, { type: 'file' }>['format']

const formats: Readonly<Record<string, Format>> = {
  '.csv': 'csv',
  '.json': 'json',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.parquet': 'parquet',
}
const readers: Readonly<Record<Format, string>> = {
  csv: 'read_csv',
  json: 'read_json_auto',
  jsonl: 'read_json_auto',
  parquet: 'read_parquet',
}

/**
 * Modes by which the account of a DuckDB process gets at what others made, whatever the umask is here: a job
 * whose files it may not read runs it as ourselves.
 */
const readable = 0o644
const enterable = 0o711

/**
 * What the declared datasources stand for in a test: a file, or a DuckDB database with the tables that
 * are given. Everything is copied into `folder`, which the caller deletes.
 */
export async function makeFixtures(
  datasources: TestCase['datasources'],
  options: { readonly folder: string; readonly testFolder: string; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, ResolvedDatasource>> {
  const sources = new Map<string, ResolvedDatasource>()
  for (const [name, data] of Object.entries(datasources)) {
    if (isTable(data) && !isTyped(data)) {
      const { file, format } = await putFile(data, options.folder, options.testFolder)
      sources.set(name, { type: 'file', files: [file], format })
    } else {
      const tables = isTable(data) ? { [name]: data } : data
      sources.set(name, { type: 'duckdb', path: await makeDatabase(tables, options) })
    }
  }
  return sources
}

async function putFile(
  data: Exclude<TestTable, TypedTable>,
  folder: string,
  testFolder: string,
): Promise<{ readonly file: string; readonly format: Format }> {
  if (typeof data !== 'string') {
    const file = path.join(folder, `${randomUUID()}.json`)
    await writeFile(file, JSON.stringify(data))
    await chmod(file, readable)
    return { file, format: 'json' }
  }
  const extension = path.extname(data).toLowerCase()
  const format = formats[extension]
  if (!format) {
    throw new KilnError('PARAMETER_INVALID', `${data}: no format is known by its extension`, {
      hint: 'give a .csv, .json, .jsonl or .parquet file',
    })
  }
  const file = path.join(folder, `${randomUUID()}${extension}`)
  await copyFile(path.resolve(testFolder, data), file).catch((error: unknown) => {
    throw fileError(error, path.resolve(testFolder, data))
  })
  await chmod(file, readable)
  return { file, format }
}

/** Written by a process of its own, as a job writes its project's database. */
async function makeDatabase(
  tables: Readonly<Record<string, TestTable>>,
  { folder, testFolder, signal }: Parameters<typeof makeFixtures>[1],
): Promise<string> {
  const work = path.join(folder, randomUUID())
  const database = path.join(work, 'database')
  await mkdir(database, { recursive: true })
  for (const one of [work, database]) await chmod(one, enterable)
  const databaseFile = path.join(database, 'fixture.duckdb')
  const duckdb = await startDuckdbProcess({
    folder: work,
    memoryLimitBytes: 256 * 1024 ** 2,
    threads: 1,
    nodePath: process.execPath,
    entryPath: processEntry('duckdb'),
    project: { path: databaseFile, use: 'write' },
  })
  try {
    for (const [name, data] of Object.entries(tables)) {
      const source = await putFile(isTyped(data) ? data.rows : data, work, testFolder)
      const file = quoted(source.file, "'")
      const rows = isTyped(data)
        ? `read_json(${file}, columns = ${typesOf(data)})`
        : `${readers[source.format]}(${file})`
      await duckdb.exec(`create table ${quoted(name, '"')} as select * from ${rows}`, [], signal)
    }
    await duckdb.prepareCommit({ jobId: randomUUID(), leaseToken: randomUUID(), outcome: '{}' })
    await duckdb.commit()
    await duckdb.closeDatabase(signal)
    await chmod(databaseFile, readable)
    return databaseFile
  } finally {
    await duckdb.stop()
  }
}

/** The names and types of a table's columns, as a struct of DuckDB. */
const typesOf = ({ columns }: TypedTable): string =>
  `{${Object.entries(columns)
    .map(([name, type]) => `${quoted(name, "'")}: ${quoted(type, "'")}`)
    .join(', ')}}`

const quoted = (text: string, mark: '"' | "'"): string =>
  mark + text.replaceAll(mark, mark + mark) + mark
