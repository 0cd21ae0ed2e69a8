/**
 * Executor, DuckDB process and Postgres killed between every two steps of a commit: what a job wrote
 * to its project's database is there once if it is completed, and not at all if it is not.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommitStep } from '../../src/core/executor/commit-outcome.ts'
import { openDataFolder, projectDatabasePath } from '../../src/core/os/index.ts'
import { descendantsOf } from '../support/descendants.ts'
import { withDuckdb, queryRows } from '../support/duckdb.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { insertAnalysis, insertJob, readJob } from '../support/queue.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { waitUntil } from '../support/wait-until.ts'

const steps: readonly CommitStep[] = ['script ended', 'marked', 'prepared', 'committed', 'finished']
const victims = ['executor', 'duckdb', 'postgres'] as const
type Victim = (typeof victims)[number]

interface RunningExecutor {
  readonly child: ChildProcess
  readonly lines: string[]
}

let postgres: OwnPostgres
let folder: TemporaryFolder
let dataDir: string
let analysisId: string
let executor: RunningExecutor | undefined

beforeAll(async () => {
  postgres = await startOwnPostgres()
  folder = await createTemporaryFolder('commit')
  dataDir = path.join(folder.path, 'data')
  analysisId = await insertAnalysis(
    postgres.pool,
    `export default { database: 'write', async run(ctx, params) {
      await ctx.duckdb.exec('create table if not exists effects (round int)')
      await ctx.duckdb.exec('insert into effects values ($1)', [params.round])
      return params.round
    } , parameters: { round: { type: 'integer' } } }`,
  )
})
afterAll(async () => {
  await end(executor)
  await postgres.close()
  await folder.remove()
})

async function startExecutor(stopAt: string): Promise<RunningExecutor> {
  const child = spawn(
    process.execPath,
    [
      path.join(import.meta.dirname, 'commit-executor.ts'),
      postgres.connectionString,
      dataDir,
      stopAt,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  child.stdin.on('error', () => undefined)
  const started = { child, lines }
  await waitUntil('the executor is ready', () => lines.includes('ready'))
  return started
}

async function end(running: RunningExecutor | undefined): Promise<void> {
  if (running?.child.exitCode !== null || running.child.signalCode !== null) return
  const gone = new Promise((resolve) => running.child.once('exit', resolve))
  running.child.kill('SIGKILL')
  await gone
}

function killDuckdb(pid: number): void {
  for (const child of descendantsOf(pid)) {
    try {
      const command = readFileSync(`/proc/${child}/environ`, 'utf8')
      // The one with a setting of malloc is DuckDB's; what surrounds it has it too, and goes with it.
      if (command.includes('MALLOC_ARENA_MAX')) process.kill(child, 'SIGKILL')
    } catch {
      // Gone already.
    }
  }
}

async function kill(victim: Victim): Promise<void> {
  if (!executor) throw new Error('there is no executor')
  if (victim === 'duckdb') killDuckdb(executor.child.pid ?? 0)
  if (victim === 'postgres') await postgres.killAndStart()
  if (victim === 'executor') {
    await end(executor)
    executor = undefined
  }
}

/** However it was interrupted, the job ends; returns its status. */
async function statusOf(id: string): Promise<string> {
  executor ??= await startExecutor('none')
  return waitUntil(
    `job ${id} has ended`,
    async () => {
      const job = await readJob(postgres.pool, id).catch(() => undefined)
      return job && ['completed', 'failed', 'cancelled'].includes(job.status)
        ? job.status
        : undefined
    },
    60_000,
  )
}

async function effects(): Promise<Map<number, number>> {
  const data = await openDataFolder(dataDir)
  const project = { path: projectDatabasePath(data, 'default'), use: 'read' } as const
  const rows = await waitUntil('the database is free', () =>
    withDuckdb(
      (duckdb) => queryRows(duckdb, 'select round, count(*) as n from project.effects group by 1'),
      { project },
    ).catch(() => undefined),
  )
  return new Map(rows.map(({ round, n }) => [Number(round), Number(n)]))
}

async function expectEffect(round: number, status: string): Promise<void> {
  const found = await effects()
  expect({ status, times: found.get(round) ?? 0 }).toEqual({
    status,
    times: status === 'completed' ? 1 : 0,
  })
}

let lastRound = 0

/** A job that stands between two steps. */
async function standAt(step: string): Promise<{ readonly round: number; readonly id: string }> {
  executor ??= await startExecutor('none')
  executor.lines.length = 0
  told(step)
  const round = (lastRound += 1)
  const id = await insertJob(postgres.pool, analysisId, { parameters: { round } })
  await waitUntil(`it stands at ${step}`, () => executor?.lines.includes(`at ${step}`))
  return { round, id }
}

const told = (line: string) => executor?.child.stdin?.write(`${line}\n`)

describe('a kill during the commit of a project database', () => {
  it('or no kill', async () => {
    const { round, id } = await standAt('finished')
    told('go')
    await expectEffect(round, await statusOf(id))
  })

  it.each([
    ['script ended', 1, 'cancelled'],
    // Too late: whether it has completed is being decided in its database.
    ['marked', 0, 'completed'],
    ['committed', 0, 'completed'],
    ['finished', 0, 'completed'],
  ] as const)('or a cancel after: %s', async (step, changed, status) => {
    const { round, id } = await standAt(step)
    const cancel = await postgres.pool.query(
      `update analysis_jobs set status = 'cancelled' where id = $1 and status = 'running'`,
      [id],
    )
    told('go')
    expect({ changed: cancel.rowCount, status: await statusOf(id) }).toEqual({ changed, status })
    await expectEffect(round, status)
  })

  it.each(['pending', 'failed'])('or a job that is set to %s too late', async (status) => {
    const { round, id } = await standAt('committed')
    await postgres.pool.query('update analysis_jobs set status = $2 where id = $1', [id, status])
    told('go')
    expect(await statusOf(id)).toBe('completed')
    await expectEffect(round, 'completed')
  })

  it.each(['marked', 'committed'])(
    'or an executor that was taken for dead after: %s',
    async (step) => {
      const { round, id } = await standAt(step)
      const frozen = executor
      frozen?.child.kill('SIGSTOP')
      await postgres.pool.query('update analysis_executors set stopped_at = now()')
      const other = await startExecutor('none')
      const next = await insertJob(postgres.pool, analysisId, { parameters: { round: -round } })
      told('go')
      frozen?.child.kill('SIGCONT')
      await expectEffect(round, await statusOf(id))
      await expectEffect(-round, await statusOf(next))
      await end(frozen)
      executor = other
    },
  )

  it('or a cancel of a query that is under way', async () => {
    executor ??= await startExecutor('none')
    const slow = await insertAnalysis(
      postgres.pool,
      `export default { database: 'write', async run(ctx) {
        await ctx.duckdb.exec('insert into effects values (-1)')
        await ctx.progress(0.5)
        await ctx.duckdb.query('select sum(a.range * b.range) from range(1000000) a, range(1000000) b')
      } }`,
      { title: 'slow' },
    )
    const id = await insertJob(postgres.pool, slow)
    await waitUntil('it has begun', async () => {
      const { rows } = await postgres.pool.query(
        'select from analysis_jobs where id = $1 and progress is not null',
        [id],
      )
      return rows.length > 0
    })
    await postgres.pool.query(`update analysis_jobs set status = 'cancelled' where id = $1`, [id])
    await waitUntil('its process is gone', async () => {
      const found = await effects()
      return found.size >= 0 && !found.has(-1)
    })
    expect(await statusOf(id)).toBe('cancelled')
  })

  const combinations = steps.flatMap((step) => victims.map((victim) => [victim, step] as const))

  it.each(combinations)('of the %s after: %s', { timeout: 300_000 }, async (victim, step) => {
    for (let turn = 0; turn < 5; turn += 1) {
      const { round, id } = await standAt(step)
      await kill(victim)
      told('go')
      const status = await statusOf(id)
      await expectEffect(round, status)
    }
  })

  it.each(victims)('of the %s at any moment', { timeout: 300_000 }, async (victim) => {
    for (let turn = 0; turn < 9; turn += 1) {
      const { round, id } = await standAt('script ended')
      told('go')
      const until = performance.now() + turn * 2
      await waitUntil('a moment has passed', () => performance.now() > until)
      await kill(victim)
      await expectEffect(round, await statusOf(id))
    }
  })
})
