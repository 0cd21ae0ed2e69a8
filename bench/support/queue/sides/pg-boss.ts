/** pg-boss, whose fastest way is to fetch and complete in batches. */
import { PgBoss } from 'pg-boss'
import pg from 'pg'
import { type DrainTime, stopwatch } from '../drain-time.ts'
import { offer, options } from '../offer.ts'

const { url, loops, batchSize } = options<{
  readonly url: string
  /** Batches under way at a time. */
  readonly loops: number
  readonly batchSize: number
}>()

const queue = 'bench'
const boss = new PgBoss({
  connectionString: url,
  max: loops + 2,
  schedule: false,
  // Its upkeep must not fall into one of the runs.
  supervise: false,
})
boss.on('error', (error: unknown) => {
  throw error
})
const client = new pg.Client({ connectionString: url })
await client.connect()

offer(
  {
    async migrate(): Promise<void> {
      await boss.start()
      await boss.createQueue(queue)
    },

    async fill(jobs: number): Promise<void> {
      await boss.deleteAllJobs(queue)
      await boss.insert(
        queue,
        Array.from({ length: jobs }, () => ({ data: { a: 1 } })),
      )
      await client.query('vacuum analyze')
    },

    async drain(expected: number): Promise<DrainTime> {
      const watch = stopwatch()
      let completed = 0
      const loop = async (): Promise<void> => {
        for (;;) {
          const jobs = await boss.fetch(queue, { batchSize })
          if (jobs.length === 0) return
          await boss.complete(
            queue,
            jobs.map(({ id }) => id),
          )
          completed += jobs.length
        }
      }
      await Promise.all(Array.from({ length: loops }, loop))
      const time = watch.end(completed)
      if (completed !== expected) throw new Error(`${completed} jobs completed, not ${expected}`)
      return time
    },
  },
  async () => {
    await boss.stop({ graceful: false })
    await client.end()
  },
)
