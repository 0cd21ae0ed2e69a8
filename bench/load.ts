import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { loadIntoDuckdb } from '../src/core/datasources/load-into-duckdb.ts'
import { openPostgresDatasource } from '../src/core/datasources/postgres/index.ts'
import { startDuckdbProcess } from '../src/core/duckdb/index.ts'
import { processEntry } from '../src/core/os/index.ts'
import { type Figure, interleave, median } from './figure.ts'
import { withBenchPostgres } from './support/postgres.ts'

const rounds = 5
const rowCount = Number(process.env.KILN_BENCH_ROWS ?? 1_000_000)
const threads = 2
const memoryLimitBytes = 1024 ** 3
const never = new AbortController().signal

/** Eight columns of the kinds that tables have, with nulls, quotes, newlines and empty texts. */
const createTable = `
  create table bench_load as
  select i::bigint as id,
    md5(i::text)::uuid as reference,
    timestamptz '2024-01-01 00:00:00Z' + i * interval '1.234567 seconds' as seen_at,
    (i % 1000000 * 1.17)::numeric(12, 2) as amount,
    case when i % 7 > 0 then sqrt(i) end::float8 as score,
    case i % 10
      when 0 then null
      when 1 then ''
      when 2 then E'two\\nlines, "quoted" number ' || i
      else 'a plain note of some length about row ' || i
    end as note,
    i % 3 = 0 as is_open,
    jsonb_build_object('row', i, 'tags', jsonb_build_array('a', 'b', i % 5)) as details
  from generate_series(1, ${rowCount}) i`

/** The types a careful person would give `read_csv`; its own guesses are slower and lose some. */
const peerColumns = `{id: 'BIGINT', reference: 'UUID', seen_at: 'TIMESTAMPTZ',
  amount: 'DECIMAL(12,2)', score: 'DOUBLE', note: 'VARCHAR', is_open: 'BOOLEAN', details: 'JSON'}`

/** Equal only when every value of every column is. */
const fingerprint = 'select sum(hash(columns(*)))::text from loaded'

/**
 * Postgres to DuckDB: what `ctx.duckdb.load` does, against psql's `\copy` to a CSV file followed by
 * `read_csv` of it with the same types. Both sides must end with the same rows.
 */
export default async function load(): Promise<Figure[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'kiln-bench-load-'))
  try {
    return await withBenchPostgres(async (url) => [await measure(url, folder)])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measure(url: string, folder: string): Promise<Figure> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(createTable)
    await client.query('vacuum analyze bench_load')
    const prints = new Set<string>()
    const samples = await interleave(rounds, {
      ours: () => rateOf((side) => loadOurs(url, side), folder, prints),
      peer: () => rateOf((side) => loadPeer(url, side), folder, prints),
    })
    if (prints.size !== 1) throw new Error('the two sides loaded different rows')
    const { rows } = await client.query<{ server_version: string }>('show server_version')
    return {
      figure: 'load: Postgres to DuckDB, 1,000,000 rows',
      unit: 'rows_per_s',
      ours: median(samples.ours),
      peer: median(samples.peer),
      limit: { atLeast: 0.9 },
      versions: { postgres: rows[0]?.server_version ?? '', psql: psql(['--version']).trim() },
    }
  } finally {
    await client.end()
  }
}

interface Side {
  readonly folder: string
  /** Called around the part that counts. */
  readonly timed: (work: () => Promise<void>) => Promise<void>
}

/** Rows a second of one load in a folder of its own; the load's fingerprint joins `prints`. */
async function rateOf(
  run: (side: Side) => Promise<string[]>,
  parent: string,
  prints: Set<string>,
): Promise<number> {
  const folder = mkdtempSync(path.join(parent, 'run-'))
  let elapsedMs = 0
  try {
    const print = await run({
      folder,
      timed: async (work) => {
        const start = performance.now()
        await work()
        elapsedMs = performance.now() - start
      },
    })
    prints.add(print.join())
    return (rowCount / elapsedMs) * 1000
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The DuckDB process is there already, as it is for a job. */
async function loadOurs(url: string, { folder, timed }: Side): Promise<string[]> {
  const postgres = openPostgresDatasource({
    connection: url,
    label: 'bench',
    statementTimeoutMs: 600_000,
    applicationName: 'kiln bench',
  })
  const duckdb = await startDuckdbProcess({
    folder,
    memoryLimitBytes,
    threads,
    nodePath: process.execPath,
    entryPath: processEntry('duckdb'),
  })
  try {
    await timed(async () => {
      const sql = 'select * from bench_load'
      await loadIntoDuckdb(postgres, { duckdb, folder, sql, params: [], table: 'loaded' }, never)
    })
    const [row = {}] = JSON.parse(await duckdb.query(fingerprint, [], {}, never)) as object[]
    return Object.values(row) as string[]
  } finally {
    await duckdb.stop()
    await postgres.close()
  }
}

async function loadPeer(url: string, { folder, timed }: Side): Promise<string[]> {
  const file = path.join(folder, 'peer.csv')
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(threads),
    memory_limit: `${memoryLimitBytes}B`,
    temp_directory: folder,
  })
  const connection = await instance.connect()
  try {
    await connection.run("set TimeZone = 'UTC'")
    await timed(async () => {
      psql([url, '-X', '-q', '-c', `\\copy bench_load to '${file}' (format csv, null '\\N')`])
      await connection.run(`create table loaded as select * from read_csv('${file}',
        auto_detect = false, header = false, delim = ',', quote = '"', escape = '"',
        nullstr = '\\N', allow_quoted_nulls = false, columns = ${peerColumns})`)
    })
    const rows = await (await connection.run(fingerprint)).getRowsJson()
    return (rows[0] ?? []) as string[]
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

function psql(args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('psql', args, { encoding: 'utf8' })
  if (error) throw new Error('psql is not installed: it is the peer of this figure')
  if (status !== 0) throw new Error(stderr)
  return stdout
}
