import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Context } from '../src/core/context.ts'
import { addDatasource } from '../src/core/datasources/index.ts'
import type { Executor } from '../src/core/executor/index.ts'
import { type Figure, interleave, median } from './figure.ts'
import { type BenchExecutor, withBenchExecutor } from './support/executor.ts'

const rounds = 4
const timesARound = 5
const memory = '256MB'
/** What a job's DuckDB has. */
const threads = '2'

const aggregation = `select region, product, count(*) as sales, sum(amount) as total,
  avg(amount) as mean, max(sold_at) as last, count(distinct customer) as customers
  from rows where amount > 10 group by region, product order by total desc limit 100`

const makeParquet = (file: string): string => `copy (
  select i as id, timestamp '2024-01-01' + interval (i) second as sold_at, i % 20 as region,
    'product ' || (i * 7919) % 50 as product, (i * 104729) % 100000 as customer,
    ((i * 31) % 100000) / 100 as amount
  from range(3000000) t(i)
) to '${file}' (format parquet, compression zstd)`

const fetch = `select i::bigint as id, md5(i::text) as reference,
  timestamptz '2024-01-01 00:00:00Z' + i * interval '1 second' as seen_at,
  (i % 100000 * 1.17)::float8 as amount, i % 3 = 0 as is_open, 'a plain note about row ' || i as note,
  case when i % 7 > 0 then i % 100 end as score, i % 50 as region
  from generate_series(1, `

const script = `export default {
  parameters: { kind: { type: 'string' }, sql: { type: 'string' }, times: { type: 'integer' } },
  dependencies: { datasources: ['rows', 'orders'] },
  async run(ctx, { kind, sql, times }) {
    if (kind === 'stream') {
      let count = 0
      for await (const row of ctx.datasource.orders.stream(sql, [], 1000)) count += row.id > 0 ? 1 : 0
      return count
    }
    const taken = []
    for (let index = 0; index <= times; index += 1) {
      const startedAt = Date.now()
      const rows = kind === 'duckdb' ? await ctx.duckdb.query(sql) : await ctx.datasource.orders.query(sql)
      taken.push(Date.now() - startedAt)
      if (rows.length === 0) throw new Error('no rows')
    }
    return taken.slice(1)
  },
}`

/**
 * Data on its way into a script, start-up aside: an aggregation in the job's DuckDB, and rows of
 * Postgres, each against the client alone in a process of its own; and what a script takes that streams
 * more rows than it could hold.
 */
export default function data(): Promise<Figure[]> {
  return withBenchExecutor('data', measure)
}

async function measure(bench: BenchExecutor): Promise<Figure[]> {
  const { context, executor, folder, databaseUrl } = bench
  const parquet = path.join(folder, 'rows.parquet')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(makeParquet(parquet))
  connection.closeSync()
  instance.closeSync()
  const analysisId = await prepare(context, databaseUrl, parquet)
  const run = (kind: string, sql: string) => runJob(context, executor, analysisId, kind, sql)
  return [await aggregate(run, parquet), await query(run, databaseUrl), await stream(run)]
}

type Run = (kind: string, sql: string) => Promise<{ result: unknown; peakBytes: number }>

async function aggregate(run: Run, parquet: string): Promise<Figure> {
  const samples = await interleave<'ours' | 'peer', number[]>(rounds, {
    ours: async () => (await run('duckdb', aggregation)).result as number[],
    peer: () => bare('aggregate-bare', [parquet, aggregation, threads, memory, `${timesARound}`]),
  })
  return {
    figure: 'data: aggregation over 3,000,000 rows of Parquet in an analysis',
    unit: 'ms',
    ours: median(samples.ours.flat()),
    peer: median(samples.peer.flat()),
    limit: { atMost: 1.1 },
    versions: { '@duckdb/node-api': '1.5.5-r.5' },
  }
}

async function query(run: Run, url: string): Promise<Figure> {
  const sql = `${fetch} 100000) i`
  const peaks: number[] = []
  const samples = await interleave<'ours' | 'peer', number[]>(rounds, {
    ours: async () => {
      const { result, peakBytes } = await run('postgres', sql)
      peaks.push(peakBytes)
      return result as number[]
    },
    peer: () => bare('fetch-bare', [url, sql, `${timesARound}`]),
  })
  return {
    figure: 'data: 100,000 rows of Postgres into a script',
    unit: 'ms',
    ours: median(samples.ours.flat()),
    peer: median(samples.peer.flat()),
    limit: { atMost: 2.5 },
    details: { sandbox_peak_bytes: median(peaks) },
    versions: { pg: '8.23.1' },
  }
}

/**
 * The garbage of rows is collected when the heap comes near its limit, so that is where it ends up,
 * and stays however long the stream is: twice as many rows take the same.
 */
async function stream(run: Run): Promise<Figure> {
  const rows = 2_000_000
  const { result, peakBytes } = await run('stream', `${fetch} ${rows}) i`)
  if (result !== rows) throw new Error(`${String(result)} rows of ${rows} were streamed`)
  return {
    figure: 'data: memory of a script with a limit of 256 MB that streams 2,000,000 rows',
    unit: 'bytes',
    ours: peakBytes,
    limit: { atMost: (256 + 128) * 1024 ** 2 },
    versions: { pg: '8.23.1' },
  }
}

async function prepare(context: Context, url: string, parquet: string): Promise<string> {
  const projectId = 'bench'
  const add = (name: string, source: Parameters<typeof addDatasource>[1]['source']) =>
    addDatasource(context, { projectId, name, source })
  const { id } = await context.database.queries
    .insertInto('analyses')
    .values({ title: 'Bench', name: 'bench', scriptContent: script, projectId })
    .returning('id')
    .executeTakeFirstOrThrow()
  await add('rows', { type: 'file', path: parquet, format: undefined })
  await add('orders', { type: 'postgres', url })
  return id
}

async function runJob(
  context: Context,
  executor: Executor,
  analysisId: string,
  kind: string,
  sql: string,
): Promise<{ result: unknown; peakBytes: number }> {
  const end = await executor.runInserted({
    analysisId,
    versionNumber: 1,
    parameters: { kind, sql, times: timesARound },
    triggeredBy: 'bench',
  })
  if (end.status !== 'completed') throw new Error(`the job ended: ${JSON.stringify(end)}`)
  const { peakMemoryBytes } = await context.database.queries
    .selectFrom('analysisJobs')
    .select('peakMemoryBytes')
    .where('id', '=', end.jobId)
    .executeTakeFirstOrThrow()
  return { result: JSON.parse(end.resultText) as unknown, peakBytes: Number(peakMemoryBytes) }
}

function bare(name: string, args: readonly string[]): number[] {
  const file = path.join(import.meta.dirname, 'support/data', `${name}.ts`)
  const text = execFileSync(process.execPath, [file, ...args], { encoding: 'utf8' })
  return JSON.parse(text) as number[]
}
