/** A database of about 1 GB and Kiln's commands on it, for the figures of backups and restores. */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openDatabase } from '../../src/core/database/index.ts'
import { migrateUp } from '../../src/core/migrate/index.ts'
import { withBenchPostgres } from './postgres.ts'

/**
 * About 1 GB of text in `analysis_jobs` alone, of what jobs leave: parameters, a small result, lines of
 * log. It has as many ids and amounts as words, so that gzip makes a quarter to a third of it: text that
 * repeats itself more flatters whoever compresses least.
 */
const jobs = 1_600_000

export interface KilnRun {
  readonly seconds: number
  readonly peakBytes: number
  readonly stdout: string
}

/** Of a set, as the command prints it. */
export interface BackedUp {
  readonly id: string
  readonly path: string
  readonly plain_bytes: number
  readonly size_bytes: number
}

export class BackupDatabase {
  readonly url: string
  readonly folder: string
  readonly repository: string

  constructor(url: string, folder: string) {
    this.url = url
    this.folder = folder
    this.repository = path.join(folder, 'repo')
  }

  /** One of Kiln's commands in a process of its own. */
  async kiln(args: readonly string[]): Promise<KilnRun> {
    const startedAt = performance.now()
    const child = spawn(process.execPath, [path.resolve('bin/run.js'), ...args], {
      env: { ...process.env, DATABASE_URL: this.url, ANALYSIS_DATA_DIR: this.folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    let peakBytes = 0
    const watch = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(child.pid ?? 0))), 50)
    const exitCode = await new Promise((resolve) => child.on('close', resolve))
    clearInterval(watch)
    if (exitCode !== 0) throw new Error(`kiln ${args.join(' ')} ended with ${String(exitCode)}`)
    return { seconds: (performance.now() - startedAt) / 1000, peakBytes, stdout }
  }

  /** A set of the tables; unless told otherwise it stays in the repository. */
  async backUp(rowFormat: 'text' | 'binary', repository = this.repository) {
    const args = ['backup', 'create', 'postgres', '--json', '--repo', repository]
    const run = await this.kiln([...args, '--row-format', rowFormat])
    const set = JSON.parse(run.stdout) as BackedUp
    return { ...run, set }
  }

  async sql(statement: string): Promise<void> {
    await withDatabase(this.url, ({ pool }) => pool.query(statement))
  }
}

/** Runs `work` with such a database on a Postgres of its own, and a folder; both are gone afterwards. */
export async function withBackupDatabase<T>(
  work: (database: BackupDatabase) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'kiln-bench-backup-'))
  chmodSync(folder, 0o711)
  try {
    return await withBenchPostgres(async (url) => {
      await withDatabase(url, fill)
      return await work(new BackupDatabase(url, folder))
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

type Database = ReturnType<typeof openDatabase>

async function withDatabase<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase({
    target: { config: { connectionString: url }, label: 'the bench', isPrivate: false },
    applicationName: 'kiln bench',
    poolSize: 2,
  })
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

async function fill(database: Database): Promise<void> {
  const { pool } = database
  await migrateUp({ database }, {})
  await pool.query(
    `insert into analyses (title, script_content)
     select 'bench ' || n, 'export default () => 1' from generate_series(1, 40) n`,
  )
  await pool.query('alter table analysis_jobs disable trigger user')
  // Filled without them in half the time.
  const { rows: indexes } = await pool.query<{ name: string; definition: string }>(
    `select i.relname as name, pg_get_indexdef(i.oid) as definition
     from pg_index x
     join pg_class i on i.oid = x.indexrelid
     where x.indrelid = 'analysis_jobs'::regclass
       and not exists (select from pg_constraint where conindid = i.oid)`,
  )
  for (const { name } of indexes) await pool.query(`drop index ${name}`)
  await pool.query(
    `with picked as (select array_agg(id) as ids from analyses)
     insert into analysis_jobs (analysis_id, status, ready, parameters, result, logs,
       created_at, started_at, completed_at, execution_time_ms)
     select ids[1 + n % 40], 'completed', false,
       jsonb_build_object('day', '2026-01-01'::date + n % 365, 'region', n % 20,
         'order', md5((-n)::text)::uuid),
       jsonb_build_object('reference', md5(n::text), 'rows', (
         select jsonb_agg(jsonb_build_object('customer', md5((n::bigint * r)::text)::uuid,
           'amount', round((random() * 10000)::numeric, 2), 'share', random()))
         from generate_series(2, 3) r
         where n > 0
       )),
       array['loaded ' || (random() * 100000)::integer || ' rows',
         'done in ' || (random() * 3000)::integer || ' ms'],
       at, at + random() * interval '1 second', at + interval '1 second' + random() * interval '2 seconds',
       (random() * 3000)::integer
     from picked, generate_series(1, ${jobs}) n,
       lateral (select timestamptz '2026-01-01' + n * interval '8 seconds' as at) moment`,
  )
  for (const { definition } of indexes) await pool.query(definition)
  await pool.query('alter table analysis_jobs enable trigger user')
  await pool.query('vacuum analyze analysis_jobs')
}

/** The kernel's own high-water mark of resident memory. */
function peakOf(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

export async function secondsOf(
  work: () => unknown,
  after: () => void = () => undefined,
): Promise<number> {
  const startedAt = performance.now()
  await work()
  const seconds = (performance.now() - startedAt) / 1000
  after()
  return seconds
}

/** `15.18` of a program that says `pg_dump (PostgreSQL) 15.18 (Debian …)`. */
export const versionOf = (program: string): string =>
  /(\d+(\.\d+)+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1] ?? ''
