/** Our side: a service's executor on its database, with sandboxes or with a runner of no-ops. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createAnalysis, openInspector } from '../../../../src/core/analyses/index.ts'
import { loadSettings } from '../../../../src/core/config/index.ts'
import type { Context } from '../../../../src/core/context.ts'
import { openDatabase, resolveTarget } from '../../../../src/core/database/index.ts'
import { Executor, type ScriptRunner, noOpRunner } from '../../../../src/core/executor/index.ts'
import { createLogger } from '../../../../src/core/log/create-logger.ts'
import { migrateUp } from '../../../../src/core/migrate/index.ts'
import { systemClock } from '../../../../src/core/os/index.ts'
import { type DrainTime, stopwatch } from '../drain-time.ts'
import { offer, options, tell } from '../offer.ts'

const { url, dataDir, concurrency, runner } = options<{
  readonly url: string
  readonly dataDir: string
  readonly concurrency: number
  /** Each job ends at once; `tell`: and it is told when it began. Sandboxes unless given. */
  readonly runner?: 'no-op' | 'tell'
}>()

const { settings } = loadSettings({ flags: { databaseUrl: url, dataDir, logLevel: 'warn' } })
const closing = new AbortController()
const database = openDatabase({
  target: await resolveTarget(settings),
  applicationName: 'kiln bench',
  poolSize: settings.databasePoolSize,
})
const context: Context = {
  settings,
  database,
  clock: systemClock,
  log: createLogger(settings, false),
  signal: closing.signal,
  operator: { actor: 'bench', source: 'cli' },
}
const client = new pg.Client({ connectionString: url })
await client.connect()

let executor: Executor | undefined
let serving: Promise<unknown> | undefined

const tellRunner: ScriptRunner = (job) => {
  tell({ at: process.hrtime.bigint() })
  return noOpRunner(job)
}

/** A check of the foreign key for each row is half of the time; only a superuser may do without. */
const skipTriggers = (): Promise<unknown> =>
  client.query('set session_replication_role = replica').catch(() => undefined)

async function insertJob(analysisId: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>({
    name: 'enqueue',
    text: 'insert into analysis_jobs (analysis_id) values ($1) returning id',
    values: [analysisId],
  })
  return rows[0]?.id ?? ''
}

async function resultOf(jobId: string): Promise<number> {
  for (;;) {
    const { rows } = await client.query<{ status: string; result: number | null }>(
      'select status, result from analysis_jobs where id = $1',
      [jobId],
    )
    const { status, result } = rows[0] ?? {}
    if (status === 'completed') return Number(result)
    if (status === 'failed') throw new Error('a job failed')
    await sleep(5)
  }
}

/** The wall clock with parts of milliseconds, from where it turns to the next one. */
async function wallClock(): Promise<(monotonicMs: number) => number> {
  const before = Date.now()
  let turned = before
  while (turned === before) turned = Date.now()
  const offset = turned - performance.now()
  await sleep(Math.random() * 5)
  return (monotonicMs) => monotonicMs + offset
}

const runners = { 'no-op': noOpRunner, tell: tellRunner }

offer(
  {
    migrate: () => migrateUp(context),

    /**
     * Creates analyses of the script, each in a project of its own; returns their ids. Their
     * definitions are read, as those of any analysis are after its first job.
     */
    async addAnalyses(count: number, script: string): Promise<string[]> {
      const file = { content: script, filename: 'bench.js' }
      const inspector = await openInspector('bench')
      try {
        const ids: string[] = []
        for (let number = 1; number <= count; number += 1) {
          const input = { file, projectId: `bench-${number}` }
          const { analysis } = await createAnalysis(context, input, inspector.inspect)
          ids.push(analysis.id)
        }
        return ids
      } finally {
        await inspector.close()
      }
    },

    async start(): Promise<void> {
      executor = new Executor(context, {
        kind: 'service',
        concurrency,
        programVersion: '0',
        ...(runner ? { runner: runners[runner] } : {}),
      })
      await executor.start()
    },

    /** Fills the empty queue with jobs of the analyses in turn; finished jobs stay if told. */
    async fill(analysisIds: readonly string[], jobs: number, keepsHistory: boolean): Promise<void> {
      if (!keepsHistory) await client.query('truncate analysis_jobs cascade')
      await client.query(
        `insert into analysis_jobs (analysis_id)
         select ($1::uuid[])[1 + i % cardinality($1::uuid[])]
         from generate_series(1, $2::int) i`,
        [analysisIds, jobs],
      )
      await client.query('vacuum analyze')
    },

    /** Adds jobs that completed in the last thirty days, as an executor leaves them. */
    async addHistory(analysisIds: readonly string[], jobs: number): Promise<void> {
      await skipTriggers()
      await client.query(
        `insert into analysis_jobs (analysis_id, status, ready, version_number, attempt, result,
           created_at, run_at, started_at, completed_at, execution_time_ms)
         select ($1::uuid[])[1 + i % cardinality($1::uuid[])], 'completed', false, 1, 1,
           '{"result": 1}', at, at, at, at, 1
         from generate_series(1, $2::int) i,
           lateral (select now() - (30.0 * i / $2) * interval '1 day' as at) moment`,
        [analysisIds, jobs],
      )
      await client.query('reset session_replication_role')
    },

    async drain(expected?: number): Promise<DrainTime> {
      if (!executor) throw new Error('not started')
      const watch = stopwatch()
      const { completed, failed, cancelled } = await executor.serve({ untilEmpty: true })
      const time = watch.end(completed)
      if (failed + cancelled > 0) throw new Error(`${failed + cancelled} jobs failed`)
      if (expected !== undefined && completed !== expected) {
        throw new Error(`${completed} jobs completed, not ${expected}`)
      }
      return time
    },

    serve(): void {
      serving = executor?.serve({ untilEmpty: false })
    },

    /** Inserts one job as any client may, and returns when it was about to. */
    async enqueue(analysisId: string): Promise<{ at: bigint }> {
      const at = process.hrtime.bigint()
      await insertJob(analysisId)
      return { at }
    },

    /**
     * Inserts a job whose result is `Date.now()` of its first statement; returns the milliseconds
     * until then. The script's clock counts whole ones: the insert comes at any part of one, so that
     * half of one too few is the mean error, which is made good.
     */
    async enqueueForClock(analysisId: string): Promise<number> {
      const wallAt = await wallClock()
      const at = wallAt(performance.now())
      const begunAt = await resultOf(await insertJob(analysisId))
      return begunAt + 0.5 - at
    },
  },
  async () => {
    closing.abort()
    await serving
    await executor?.stop()
    await client.end()
    await database.close()
  },
)
