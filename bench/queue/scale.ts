import { type Figure, interleave, median } from '../figure.ts'
import type { DrainTime } from '../support/queue/drain-time.ts'
import { type QueueBench, withQueueBench } from '../support/queue/queue-bench.ts'
import { startKilnSide } from '../support/queue/start-sides.ts'
import { trivialScript } from '../support/queue/trivial-script.ts'

const rounds = 3
const jobs = 20_000
const concurrency = 10

/** What more executor processes on one machine bring to the queue alone: ours against itself. */
export default (): Promise<Figure[]> => withQueueBench(measure)

async function measure(bench: QueueBench): Promise<Figure[]> {
  const kiln = { concurrency, runner: 'no-op' } as const
  const first = await startKilnSide(bench, { ...kiln, analyses: 1, script: trivialScript })
  const sides = [first.side]
  for (let more = 0; more < 3; more += 1) {
    const side = bench.start('kiln', { url: first.url, ...kiln })
    await side.call('start')
    sides.push(side)
  }
  const rateWith = async (executors: number): Promise<number> => {
    await first.fill(jobs)
    const startedAt = performance.now()
    const times = await Promise.all(
      sides.slice(0, executors).map((side) => side.call<DrainTime>('drain')),
    )
    const elapsedMs = performance.now() - startedAt
    const completed = times.reduce((sum, time) => sum + time.jobs, 0)
    if (completed !== jobs) throw new Error(`${completed} jobs completed, not ${jobs}`)
    return (jobs / elapsedMs) * 1000
  }
  const samples = await interleave(rounds, {
    one: () => rateWith(1),
    two: () => rateWith(2),
    four: () => rateWith(4),
  })
  return [
    {
      figure: 'queue.scale',
      unit: 'jobs_per_s',
      ours: median(samples.four),
      peer: median(samples.one),
      details: {
        with_1_executor_jobs_per_s: median(samples.one),
        with_2_executors_jobs_per_s: median(samples.two),
        with_4_executors_jobs_per_s: median(samples.four),
      },
      versions: bench.versions,
    },
  ]
}
