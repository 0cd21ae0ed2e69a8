import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type Figure, median } from '../figure.ts'
import { type QueueBench, withQueueBench } from '../support/queue/queue-bench.ts'
import { type CronPeer, startCronPeer } from '../support/schedules/cron-peer.ts'
import { addSchedules, migrate, withSchedulers } from '../support/schedules/schedulers.ts'
import { type Lateness, watchJobs } from '../support/schedules/watch-jobs.ts'

/** Minutes: the finest that all of the sides can do. */
const rounds = 2
const counts = [1, 1000, 10_000] as const
/** pg-boss makes 50 jobs a second of what is due. */
const mostOfPgBoss = 1000

type Samples = Record<'ours' | 'graphile' | 'boss', Lateness[]>

/** How late the jobs of schedules are that are due at one instant, one side after another. */
export default (): Promise<Figure[]> => withQueueBench(measure)

async function measure(bench: QueueBench): Promise<Figure[]> {
  const url = await bench.createDatabase()
  migrate(url)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const graphile = await startCronPeer(bench, 'graphile-cron')
  const boss = await startCronPeer(bench, 'pg-boss-cron')
  try {
    return await withSchedulers(url, 1, async () => {
      const figures: Figure[] = []
      for (const count of counts) {
        const samples: Samples = { ours: [], graphile: [], boss: [] }
        for (let round = 0; round < rounds; round += 1) {
          samples.graphile.push(await latenessOfPeer(graphile, count, nextMinute()))
          if (count <= mostOfPgBoss) {
            samples.boss.push(await latenessOfPeer(boss, count, nextSecond(count === 1 ? 5 : 10)))
          }
          samples.ours.push(await latenessOfOurs(client, count))
          samples.ours.push(await latenessOfOurs(client, count))
        }
        figures.push(...figuresOf(count, samples, bench.versions))
      }
      return figures
    })
  } finally {
    await graphile.stop()
    await boss.stop()
    await client.end()
  }
}

async function latenessOfOurs(client: pg.Client, count: number): Promise<Lateness> {
  const dueAtMs = nextSecond(5)
  await addSchedules(client, { count, dueAtMs })
  return watchJobs(client, 'analysis_jobs', count, dueAtMs)
}

async function latenessOfPeer(
  { side, watch }: CronPeer,
  count: number,
  dueAtMs: number,
): Promise<Lateness> {
  await side.call('begin', count, dueAtMs)
  if (Date.now() > dueAtMs) throw new Error('the schedules were set too late')
  const lateness = await watch(count, dueAtMs)
  await side.call('end')
  // What follows must not find the server busy with what this one leaves.
  await delay(1000)
  return lateness
}

/** The first whole second that is so far away. */
const nextSecond = (seconds: number): number => Math.ceil(Date.now() / 1000) * 1000 + seconds * 1000

/** The next minute, with time left to prepare for it. */
const nextMinute = (): number => Math.ceil((Date.now() + 5000) / 60_000) * 60_000

function figuresOf(
  count: number,
  { ours, graphile, boss }: Samples,
  versions: Figure['versions'],
): Figure[] {
  const middle = (samples: readonly Lateness[], at: 'p50' | 'p99'): number =>
    median(samples.map((sample) => sample[at]))
  const limits = { p50: 1000, p99: count <= 1000 ? 1500 : 4000 }
  return (['p50', 'p99'] as const).map((at) => ({
    figure: `schedules.lateness: ${at}, ${count.toLocaleString('en')} due at one instant`,
    unit: 'ms',
    ours: middle(ours, at),
    limit: { atMost: limits[at] },
    details: {
      graphile_worker_ms: middle(graphile, at),
      ...(boss.length > 0 ? { pg_boss_ms: middle(boss, at) } : {}),
    },
    versions,
  }))
}
