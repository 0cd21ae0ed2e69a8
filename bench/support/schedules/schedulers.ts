import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type pg from 'pg'

const kiln = path.resolve(import.meta.dirname, '../../../bin/kiln')

export const migrate = (url: string): Buffer =>
  execFileSync(kiln, ['migrate', 'up', '--quiet'], { env: { ...process.env, DATABASE_URL: url } })

/**
 * Runs `work` with so many services of the built program that fire schedules. They have no executor:
 * jobs are made and not run.
 */
export async function withSchedulers<T>(
  url: string,
  instances: number,
  work: () => Promise<T>,
): Promise<T> {
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
    return await work()
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
    if (text.includes('HTTP listens')) return
  }
  throw new Error(`the service does not start:\n${text}`)
}

export interface NewSchedules {
  readonly count: number
  readonly dueAtMs: number
  /** Others than the usual ones, by name. */
  readonly columns?: Readonly<Record<string, string>>
  /** SQL of the rule of the schedule `i`; without one they differ. */
  readonly rule?: string
}

/** Schedules that are all due at one instant; nothing else is there. */
export async function addSchedules(
  client: pg.Client,
  { count, dueAtMs, columns = {}, rule = `(i % 60) || ' ' || (i % 24) || ' * * *'` }: NewSchedules,
): Promise<void> {
  const names = Object.keys(columns)
  await client.query('truncate projects cascade')
  await client.query(
    `with analysis as (
       insert into analyses (title, script_content)
       values ('Bench', 'export default () => 1')
       returning id
     )
     insert into analysis_schedules
       (${['analysis_id', 'cron_expression', 'timezone', 'next_run_at', ...names].join(', ')})
     select ${['id', rule, `'Europe/Berlin'`, 'to_timestamp($2::float8 / 1000)', ...names.map((name) => `'${columns[name]}'`)].join(', ')}
     from analysis, generate_series(1, $1) i`,
    [count, dueAtMs],
  )
  // As an analysis is whose script has been read: until then its jobs run one at a time, and waiting
  // for that costs more than firing. schedule set reads it.
  await client.query('update analyses set max_concurrent = null')
  await client.query('vacuum analyze analysis_schedules')
}
