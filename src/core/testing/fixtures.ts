import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { ResolvedDatasource } from '../datasources/index.ts'
import { startDuckdbProcess } from '../duckdb/index.ts'
import { KilnError } from '../errors/index.ts'
import { fileError, processEntry } from '../os/index.ts'
import type { TestCase } from './test-file.ts'

type Table = Extract<TestCase['datasources'][string], string | readonly unknown[]>
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
 * What the declared datasources stand for in a test: a file, or a DuckDB database with the tables that
 * are given. Everything is copied into `folder`, which the caller deletes.
 */
export async function makeFixtures(
  datasources: TestCase['datasources'],
  options: { readonly folder: string; readonly testFolder: string; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, ResolvedDatasource>> {
  const sources = new Map<string, ResolvedDatasource>()
  for (const [name, data] of Object.entries(datasources)) {
    if (typeof data === 'string' || Array.isArray(data)) {
      const { file, format } = await putFile(data as Table, options.folder, options.testFolder)
      sources.set(name, { type: 'file', files: [file], format })
    } else {
      const tables = data as Readonly<Record<string, Table>>
      sources.set(name, { type: 'duckdb', path: await makeDatabase(tables, options) })
    }
  }
  return sources
}

async function putFile(
  data: Table,
  folder: string,
  testFolder: string,
): Promise<{ readonly file: string; readonly format: Format }> {
  if (typeof data !== 'string') {
    const file = path.join(folder, `${randomUUID()}.json`)
    await writeFile(file, JSON.stringify(data), { mode: 0o644 })
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
  return { file, format }
}

/** Written by a process of its own, as a job writes its project's database. */
async function makeDatabase(
  tables: Readonly<Record<string, Table>>,
  { folder, testFolder, signal }: Parameters<typeof makeFixtures>[1],
): Promise<string> {
  const work = path.join(folder, randomUUID())
  const database = path.join(work, 'database')
  await mkdir(database, { recursive: true, mode: 0o755 })
  const file = path.join(database, 'fixture.duckdb')
  const duckdb = await startDuckdbProcess({
    folder: work,
    memoryLimitBytes: 256 * 1024 ** 2,
    threads: 1,
    nodePath: process.execPath,
    entryPath: processEntry('duckdb'),
    project: { path: file, use: 'write' },
  })
  try {
    for (const [name, data] of Object.entries(tables)) {
      const source = await putFile(data, work, testFolder)
      const table = `"${name.replaceAll('"', '""')}"`
      const from = source.file.replaceAll("'", "''")
      await duckdb.exec(
        `create table ${table} as select * from ${readers[source.format]}('${from}')`,
        [],
        signal,
      )
    }
    await duckdb.prepareCommit({ jobId: randomUUID(), leaseToken: randomUUID(), outcome: '{}' })
    await duckdb.commit()
    await duckdb.closeDatabase(signal)
    return file
  } finally {
    await duckdb.stop()
  }
}
