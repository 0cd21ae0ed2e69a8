/** graphile-worker, with its local queue and batched completion unless told otherwise. */
import { EventEmitter } from 'node:events'
import { type Runner, Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'
import { type DrainTime, stopwatch } from '../drain-time.ts'
import { offer, options, tell } from '../offer.ts'
import { runInIsolate, runInIsolateSync } from '../run-in-isolate.ts'
import { trivialScript } from '../trivial-script.ts'

const { url, concurrency, localQueueSize, task } = options<{
  readonly url: string
  readonly concurrency: number
  /** Jobs fetched ahead; without it each job is fetched and completed by itself. */
  readonly localQueueSize?: number
  readonly task: 'no-op' | 'tell' | 'isolate' | 'isolate-sync'
}>()

const pool = new pg.Pool({ connectionString: url, max: concurrency + 4 })
const logger = new Logger(() => () => undefined)

/** Jobs are deleted in batches, behind the back of the tasks; when the last answer came. */
let lastDeleteAt = 0
pool.on('error', (error) => console.error(error))
pool.on('connect', (client) => {
  client.on('error', (error) => console.error(error))
  const query = client.query.bind(client) as (...args: unknown[]) => unknown
  client.query = ((...args: unknown[]) => {
    const answer = query(...args)
    const [statement] = args as [string | { readonly text?: string } | undefined]
    const text = typeof statement === 'string' ? statement : statement?.text
    if (answer instanceof Promise && text?.includes('delete from')) {
      void answer.then(() => (lastDeleteAt = performance.now()))
    }
    return answer
  }) as typeof client.query
})

const utils = await makeWorkerUtils({ pgPool: pool, logger })

let runner: Runner | undefined
let onJobEnd = (): void => undefined

const tasks = {
  'no-op': () => onJobEnd(),
  tell: () => tell({ at: process.hrtime.bigint() }),
  isolate: async () => {
    await runInIsolate(trivialScript)
    onJobEnd()
  },
  'isolate-sync': () => {
    runInIsolateSync(trivialScript)
    onJobEnd()
  },
}

const start = (events: EventEmitter): Promise<Runner> =>
  run({
    pgPool: pool,
    logger,
    events,
    noHandleSignals: true,
    concurrency,
    preset: {
      worker: {
        concurrentJobs: concurrency,
        ...(localQueueSize === undefined
          ? {}
          : {
              localQueue: { size: localQueueSize },
              completeJobBatchDelay: 0,
              failJobBatchDelay: 0,
            }),
      },
    },
    taskList: { job: tasks[task] },
  })

offer(
  {
    migrate: () => utils.migrate(),

    async fill(jobs: number): Promise<void> {
      await pool.query('truncate graphile_worker._private_jobs')
      await pool.query(
        `select count(*)
         from graphile_worker.add_jobs(array(
           select json_populate_record(
             null::graphile_worker.job_spec,
             '{"identifier": "job", "payload": {"a": 1}}'
           )
           from generate_series(1, $1::int)
         ))`,
        [jobs],
      )
      await pool.query('vacuum analyze')
    },

    /** From the moment its workers exist until the last job is deleted. */
    async drain(expected: number): Promise<DrainTime> {
      const { promise: allRan, resolve } = Promise.withResolvers<void>()
      let ran = 0
      onJobEnd = () => {
        ran += 1
        if (ran === expected) resolve()
      }
      const events = new EventEmitter()
      let watch = stopwatch()
      events.once('pool:create', () => (watch = stopwatch()))
      const started = await start(events)
      await allRan
      // Completions are on their way: stopping waits for them.
      await started.stop()
      const time = watch.end(expected, lastDeleteAt)
      const { rows } = await pool.query<{ left: number }>(
        'select count(*)::int as left from graphile_worker._private_jobs',
      )
      if (rows[0]?.left !== 0) throw new Error('jobs are left')
      return time
    },

    async serve(): Promise<void> {
      runner = await start(new EventEmitter())
    },

    async enqueue(): Promise<{ at: bigint }> {
      const at = process.hrtime.bigint()
      await utils.addJob('job', { a: 1 })
      return { at }
    },
  },
  async () => {
    await runner?.stop()
    await utils.release()
    await pool.end()
  },
)
