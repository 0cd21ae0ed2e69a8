import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type Figure, median } from './figure.ts'
import { withBenchPostgres } from './support/postgres.ts'

const dueSchedules = 40_000
const kiln = path.resolve(import.meta.dirname, '../bin/kiln')

/**
 * How fast schedules fire, and how late. The service is the built program, without an executor: jobs
 * are made and not run.
 */
export default async function schedules(): Promise<Figure[]> {
  return withBenchPostgres(async (url) => {
    execFileSync(kiln, ['migrate', 'up', '--quiet'], { env: { ...process.env, DATABASE_URL: url } })
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const one = await firesPerSecond(client, url, 1)
      const four = await firesPerSecond(client, url, 4)
      const lateness = []
      for (const count of [1, 1000, 10_000]) lateness.push(await latenessOf(client, url, count))
      const { rows } = await client.query<{ server_version: string }>('show server_version')
      const versions = { postgres: rows[0]?.server_version ?? '' }
      const fires = { unit: 'fires_per_s', versions } as const
      return [
        {
          ...fires,
          figure: 'schedules: fires of one instance, 40,000 due',
          ours: one,
          limit: { atLeast: 5000 },
        },
        {
          ...fires,
          figure: 'schedules: fires of four instances, 40,000 due',
          ours: four,
          limit: { atLeast: 5000 },
        },
        ...lateness.flatMap(({ count, p50, p99 }): Figure[] => [
          {
            figure: `schedules: lateness p50, ${count} due at one instant`,
            unit: 'ms',
            ours: p50,
            limit: { atMost: 1000 },
            versions,
          },
          {
            figure: `schedules: lateness p99, ${count} due at one instant`,
            unit: 'ms',
            ours: p99,
            limit: { atMost: count <= 1000 ? 1500 : 4000 },
            versions,
          },
        ]),
      ]
    } finally {
      await client.end()
    }
  })
}

/** Schedules that are all due at `instant`, an SQL expression; nothing else is there. */
async function addSchedules(client: pg.Client, count: number, instant: string): Promise<void> {
  await client.query('truncate projects cascade')
  await client.query(
    `with analysis as (
       insert into analyses (title, script_content)
       values ('Bench', 'export default () => 1')
       returning id
     )
     insert into analysis_schedules (analysis_id, cron_expression, timezone, next_run_at)
     select id, (i % 60) || ' ' || (i % 24) || ' * * *', 'Europe/Berlin', ${instant}
     from analysis, generate_series(1, ${count}) i`,
  )
  await client.query('vacuum analyze analysis_schedules')
}

/** From the instant at which all are due to the last job; the instances are there before. */
async function firesPerSecond(client: pg.Client, url: string, instances: number): Promise<number> {
  const rates: number[] = []
  await withSchedulers(url, instances, async () => {
    for (let round = 0; round < 3; round += 1) {
      await addSchedules(client, dueSchedules, `now() + interval '10 seconds'`)
      const { all } = await watchJobs(client, dueSchedules)
      rates.push(dueSchedules / (all / 1000))
    }
  })
  return median(rates)
}

async function latenessOf(
  client: pg.Client,
  url: string,
  count: number,
): Promise<{ readonly count: number; readonly p50: number; readonly p99: number }> {
  const samples: { p50: number; p99: number }[] = []
  await withSchedulers(url, 1, async () => {
    for (let round = 0; round < 5; round += 1) {
      await addSchedules(client, count, `date_trunc('second', now()) + interval '5 seconds'`)
      samples.push(await watchJobs(client, count))
    }
  })
  return {
    count,
    p50: median(samples.map(({ p50 }) => p50)),
    p99: median(samples.map(({ p99 }) => p99)),
  }
}

/** Milliseconds from the occurrence until another session sees half, 99 % and all of the jobs. */
async function watchJobs(
  client: pg.Client,
  count: number,
): Promise<{ readonly p50: number; readonly p99: number; readonly all: number }> {
  const seen = { p50: 0, p99: 0, all: 0 }
  for (;;) {
    const { rows } = await client.query<{ jobs: number; late: number | null }>(
      `select count(*)::integer as jobs,
         extract(epoch from clock_timestamp() - min(scheduled_for))::float8 * 1000 as late
       from analysis_jobs`,
    )
    const { jobs = 0, late = 0 } = rows[0] ?? {}
    if (jobs >= count / 2) seen.p50 ||= late ?? 0
    if (jobs >= count * 0.99) seen.p99 ||= late ?? 0
    if (jobs >= count) return { ...seen, all: late ?? 0 }
    await delay(jobs === 0 ? 5 : 20)
  }
}

async function withSchedulers(
  url: string,
  instances: number,
  work: () => Promise<void>,
): Promise<void> {
  const running: ChildProcess[] = []
  const folder = mkdtempSync(path.join(tmpdir(), 'kiln-bench-schedules-'))
  try {
    for (let count = 0; count < instances; count += 1) {
      const child = spawn(kiln, ['serve-scheduler', '--no-executor', '--port', '0'], {
        env: { ...process.env, DATABASE_URL: url, ANALYSIS_DATA_DIR: folder },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      running.push(child)
      await listens(child)
    }
    await work()
  } finally {
    for (const child of running) {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

async function listens(child: ChildProcess): Promise<void> {
  let text = ''
  for await (const chunk of child.stderr ?? []) {
    text += String(chunk)
    if (text.includes('HTTP listens')) break
  }
  if (!text.includes('HTTP listens')) throw new Error(`the service does not start:\n${text}`)
}
