import { setTimeout as sleep } from 'node:timers/promises'
import { type Figure, interleave, percentile } from '../figure.ts'
import { type QueueBench, withQueueBench } from '../support/queue/queue-bench.ts'
import type { Side } from '../support/queue/side.ts'
import { startKilnSide } from '../support/queue/start-sides.ts'

const rounds = 200
const concurrency = 10

/** Its result is when its first statement ran; it has no finer clock. */
const clockScript = 'export default function analyze() { return Date.now() }\n'

interface Moment {
  readonly at: bigint
}

/**
 * How soon an idle queue begins a job: from before the insert, in another process with an open
 * connection, to the first statement of what runs it. Both sides are there all the time, and take
 * turns; the clock is the machine's monotonic one.
 */
export default (): Promise<Figure[]> => withQueueBench(measure)

async function measure(bench: QueueBench): Promise<Figure[]> {
  const ours = await startOurs(bench)
  const sandbox = await startSandbox(bench)
  const graphile = await startGraphile(bench, {})
  const graphileBatched = await startGraphile(bench, { localQueueSize: 500 })
  const samples = await interleave(rounds, { ours, graphile, sandbox, graphileBatched })
  const peer =
    percentile(samples.graphile, 50) <= percentile(samples.graphileBatched, 50)
      ? samples.graphile
      : samples.graphileBatched
  return [
    {
      figure: 'queue.pick-up',
      unit: 'ms',
      ours: percentile(samples.ours, 50),
      peer: percentile(peer, 50),
      limit: { atMost: 1 },
      details: {
        ours_p99_ms: percentile(samples.ours, 99),
        peer_p99_ms: percentile(peer, 99),
        sandbox_p50_ms: percentile(samples.sandbox, 50),
        sandbox_p99_ms: percentile(samples.sandbox, 99),
        graphile_worker_p50_ms: percentile(samples.graphile, 50),
        graphile_worker_batched_p50_ms: percentile(samples.graphileBatched, 50),
      },
      versions: bench.versions,
    },
  ]
}

/** Long enough for all that follows a job, and of no length that a poll could fall in step with. */
const idle = (): Promise<void> => sleep(30 + Math.random() * 20)

async function startOurs(bench: QueueBench): Promise<() => Promise<number>> {
  const kiln = { concurrency, runner: 'tell', analyses: 1, script: clockScript } as const
  const { side, url, analysisIds } = await startKilnSide(bench, kiln)
  await side.call('serve')
  const client = bench.start('kiln', { url, concurrency })
  return () => latency(side, client, analysisIds[0])
}

async function startGraphile(
  bench: QueueBench,
  options: { readonly localQueueSize?: number },
): Promise<() => Promise<number>> {
  const url = await bench.createDatabase()
  const given = { url, concurrency, task: 'tell', ...options }
  const side = bench.start('graphile', given)
  await side.call('migrate')
  await side.call('serve')
  const client = bench.start('graphile', given)
  return () => latency(side, client)
}

/** From the enqueueing of a job by `client` until `worker` tells that it began. */
async function latency(worker: Side, client: Side, argument?: string): Promise<number> {
  await idle()
  const [{ at: enqueuedAt }, { at: begunAt }] = await Promise.all([
    client.call<Moment>('enqueue', argument),
    worker.told<Moment>(),
  ])
  return Number(begunAt - enqueuedAt) / 1e6
}

async function startSandbox(bench: QueueBench): Promise<() => Promise<number>> {
  const kiln = { concurrency, analyses: 1, script: clockScript }
  const { side, url, analysisIds } = await startKilnSide(bench, kiln)
  await side.call('serve')
  const client = bench.start('kiln', { url, concurrency })
  return async () => {
    await idle()
    return client.call<number>('enqueueForClock', analysisIds[0])
  }
}
