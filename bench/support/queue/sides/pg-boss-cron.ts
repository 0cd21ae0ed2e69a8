/** Schedules of pg-boss, at the shortest intervals that it takes. Nobody works on their queue. */
import { PgBoss } from 'pg-boss'
import { offer, options } from '../offer.ts'

const { url } = options<{ readonly url: string }>()

const queue = 'bench'
const boss = new PgBoss({
  connectionString: url,
  max: 10,
  // Every 30 and 5 seconds unless told.
  cronMonitorIntervalSeconds: 1,
  cronWorkerIntervalSeconds: 1,
  supervise: false,
})
boss.on('error', (error: unknown) => {
  throw error
})

offer(
  {
    async migrate(): Promise<void> {
      await boss.start()
      await boss.createQueue(queue)
    },

    /** So many schedules that are due at one second, UTC, and no others. */
    async begin(count: number, dueAtMs: number): Promise<void> {
      const due = new Date(dueAtMs)
      const time = [due.getUTCSeconds(), due.getUTCMinutes(), due.getUTCHours()].join(' ')
      const keys = Array.from({ length: count }, (_, index) => `schedule-${index}`)
      while (keys.length > 0) {
        await Promise.all(
          keys.splice(0, 50).map((key) => boss.schedule(queue, `${time} * * *`, null, { key })),
        )
      }
    },

    async end(): Promise<void> {
      for (const { key } of await boss.getSchedules(queue)) await boss.unschedule(queue, key)
      await boss.deleteAllJobs(queue)
    },
  },
  () => boss.stop({ graceful: false }),
)
