import pg from 'pg'
import { type Figure, interleave, median } from '../figure.ts'
import { type QueueBench, withQueueBench } from '../support/queue/queue-bench.ts'
import { type CronPeer, startCronPeer } from '../support/schedules/cron-peer.ts'
import { addSchedules, migrate, withSchedulers } from '../support/schedules/schedulers.ts'
import { watchJobs } from '../support/schedules/watch-jobs.ts'

const rounds = 3
const dueSchedules = 40_000
/** The same number of runs as items of every minute that were missed for a while. */
const items = 1000
const minutes = 40

/** How fast schedules fire that are due, and runs that were missed are made good. */
export default (): Promise<Figure[]> => withQueueBench(measure)

async function measure(bench: QueueBench): Promise<Figure[]> {
  const url = await bench.createDatabase()
  migrate(url)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const one = await withSchedulers(url, 1, () => repeat(() => fireDue(client)))
    const four = await withSchedulers(url, 4, () => repeat(() => fireDue(client)))
    const graphile = await startCronPeer(bench, 'graphile-cron')
    const samples = await withSchedulers(url, 1, () =>
      interleave(rounds, { ours: () => catchUp(client), graphile: () => catchUpPeer(graphile) }),
    )
    await graphile.stop()
    const fires = { unit: 'fires_per_s', versions: bench.versions } as const
    return [
      {
        ...fires,
        figure: 'schedules.fires: one instance, 40,000 due',
        ours: one,
        limit: { atLeast: 5000 },
      },
      {
        ...fires,
        figure: 'schedules.fires: four instances, 40,000 due',
        ours: four,
        limit: { atLeast: 5000 },
      },
      {
        ...fires,
        figure: 'schedules.fires: 40 missed runs each of 1,000 schedules',
        ours: median(samples.ours),
        peer: median(samples.graphile),
        limit: { atLeast: 1 },
      },
    ]
  } finally {
    await client.end()
  }
}

async function repeat(work: () => Promise<number>): Promise<number> {
  const rates: number[] = []
  for (let round = 0; round < rounds; round += 1) rates.push(await work())
  return median(rates)
}

const rateOf = (fires: number, elapsedMs: number): number => fires / (elapsedMs / 1000)

/** From the instant at which all are due to the last job; the instances are there before. */
async function fireDue(client: pg.Client): Promise<number> {
  const dueAtMs = Date.now() + 10_000
  await addSchedules(client, { count: dueSchedules, dueAtMs })
  const { all } = await watchJobs(client, 'analysis_jobs', dueSchedules, dueAtMs)
  return rateOf(dueSchedules, all)
}

/** The instance is there: it is as if the clock had stood for it. */
async function catchUp(client: pg.Client): Promise<number> {
  await addSchedules(client, {
    count: items,
    dueAtMs: Date.now() + 3_600_000,
    rule: `'* * * * *'`,
    columns: { missed_policy: 'all', overlap_policy: 'allow' },
  })
  await earlyInTheMinute()
  const startedAtMs = Date.now()
  await client.query(
    `update analysis_schedules
     set next_run_at = date_trunc('minute', now()) - make_interval(mins => $1)`,
    [minutes - 1],
  )
  const { all } = await watchJobs(client, 'analysis_jobs', items * minutes, startedAtMs)
  return rateOf(items * minutes, all)
}

/** From where its worker starts, which looks for what was missed before anything else. */
async function catchUpPeer({ side, watch }: CronPeer): Promise<number> {
  await earlyInTheMinute()
  const calledAtMs = Date.now()
  const [startedAtMs, { all }] = await Promise.all([
    side.call<number>('catchUp', items, minutes),
    watch(items * minutes, calledAtMs),
  ])
  await side.call('end')
  return rateOf(items * minutes, all - (startedAtMs - calledAtMs))
}

/** A new minute would add to what was missed. */
async function earlyInTheMinute(): Promise<void> {
  const second = new Date().getSeconds()
  if (second >= 2 && second < 40) return
  await new Promise((resolve) => setTimeout(resolve, ((62 - second) % 60) * 1000))
}
