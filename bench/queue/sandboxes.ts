import { type Figure, interleave, median } from '../figure.ts'
import { leavesOf } from '../support/queue/processes.ts'
import { processMemory } from '../support/queue/process-memory.ts'
import { summarize } from '../support/queue/drain-summary.ts'
import { type DrainTime, rateOf } from '../support/queue/drain-time.ts'
import { type Drain, type QueueBench, withQueueBench } from '../support/queue/queue-bench.ts'
import { startKilnSide, startPeer } from '../support/queue/start-sides.ts'
import { trivialScript } from '../support/queue/trivial-script.ts'

const rounds = 3
/** Fifty projects have fifty sandboxes to start, and V8 has each to compile. */
const warmUps = 3
/** Of each run: so many that V8's first look at the code is a small part of it, on either side. */
const jobs = 2000
/** Twice two cores: what an executor runs at a time unless told otherwise. */
const concurrency = 4

/**
 * Trivial analyses a second from the full queue through sandboxes to their committed results,
 * against a graphile-worker whose task runs the same script in a fresh isolate of its own process:
 * without a wall around it, and without keeping the result; and against bare isolates in two
 * processes, with no queue either. And what a warm sandbox weighs.
 */
export default (): Promise<Figure[]> => withQueueBench(measure)

async function measure(bench: QueueBench): Promise<Figure[]> {
  const one = await startKilnSide(bench, { concurrency, analyses: 1, script: trivialScript })
  const many = await startKilnSide(bench, { concurrency, analyses: 50, script: trivialScript })
  const peer = { concurrency, localQueueSize: 100 }
  const pooled = await startPeer(bench, 'graphile', { ...peer, task: 'isolate' })
  const inTurn = await startPeer(bench, 'graphile', { ...peer, task: 'isolate-sync' })

  const bare = [bench.start('isolates', {}), bench.start('isolates', {})]
  const fresh = sandboxMemory(one.side.pid)

  const sides = {
    async one() {
      await one.fill(jobs)
      return bench.drain(one.side, jobs)
    },
    async many() {
      await many.fill(jobs)
      return bench.drain(many.side, jobs)
    },
    async pooled() {
      await pooled.call('fill', jobs)
      return bench.drain(pooled, jobs)
    },
    async inTurn() {
      await inTurn.call('fill', jobs)
      return bench.drain(inTurn, jobs)
    },
    async bare() {
      const startedAt = performance.now()
      const runs = jobs / bare.length
      const times = await Promise.all(bare.map((side) => side.call<DrainTime>('drain', runs)))
      const cpuMs = times.reduce((sum, time) => sum + time.cpuMs, 0)
      return {
        jobs,
        elapsedMs: performance.now() - startedAt,
        cpuMs,
        childrenCpuMs: 0,
        postgresCpuMs: undefined,
      }
    },
  }
  const samples = await interleave(rounds, sides, warmUps)
  const peers = [
    summarize('graphile_worker_async', samples.pooled),
    summarize('graphile_worker_sync', samples.inTurn),
  ] as const
  const against = (name: string, drains: readonly Drain[]): Figure => {
    const ours = summarize('ours', drains)
    return {
      figure: name,
      unit: 'jobs_per_s',
      ours: ours.jobsPerSecond,
      peer: Math.max(...peers.map(({ jobsPerSecond }) => jobsPerSecond)),
      limit: { atLeast: 1 },
      details: { ...ours.details, ...peers[0].details, ...peers[1].details },
      versions: bench.versions,
    }
  }
  return [
    against('queue.sandboxes-one-project', samples.one),
    against('queue.sandboxes-50-projects', samples.many),
    {
      figure: 'queue.sandboxes-bare-isolates',
      unit: 'jobs_per_s',
      ours: summarize('ours', samples.one).jobsPerSecond,
      peer: median(samples.bare.map(rateOf)),
      limit: { atLeast: 0.5 },
      details: {
        peer_cpu_us_per_job: median(samples.bare.map(({ cpuMs }) => (cpuMs / jobs) * 1000)),
      },
      versions: { 'isolated-vm': '7.0.1' },
    },
    ...memoryFigures(bench, one.side.pid, fresh),
  ]
}

/** Proportional and resident memory of the sandboxes of an executor; none where there is no /proc. */
const sandboxMemory = (executorPid: number) =>
  leavesOf(executorPid).flatMap((pid) => processMemory(pid) ?? [])

/** Of the sandboxes that an executor keeps, before its first job and after its last. */
function memoryFigures(
  { versions }: QueueBench,
  executorPid: number,
  fresh: ReturnType<typeof sandboxMemory>,
): Figure[] {
  const executor = processMemory(executorPid)
  const sandboxes = sandboxMemory(executorPid)
  if (!executor || sandboxes.length === 0) return []
  return [
    {
      figure: 'queue.sandbox-memory',
      unit: 'bytes',
      ours: median(sandboxes.map(({ proportionalBytes }) => proportionalBytes)),
      details: {
        resident_bytes: median(sandboxes.map(({ residentBytes }) => residentBytes)),
        ...(fresh.length > 0
          ? {
              fresh_bytes: median(fresh.map(({ proportionalBytes }) => proportionalBytes)),
              fresh_resident_bytes: median(fresh.map(({ residentBytes }) => residentBytes)),
            }
          : {}),
        sandboxes: sandboxes.length,
        executor_proportional_bytes: executor.proportionalBytes,
        executor_resident_bytes: executor.residentBytes,
      },
      versions,
    },
  ]
}
