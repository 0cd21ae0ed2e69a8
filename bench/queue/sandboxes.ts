import { type Figure, interleave, median } from '../figure.ts'
import { leavesOf } from '../support/queue/processes.ts'
import { processMemory } from '../support/queue/process-memory.ts'
import { summarize } from '../support/queue/drain-summary.ts'
import { type Drain, type QueueBench, withQueueBench } from '../support/queue/queue-bench.ts'
import { startKilnSide, startPeer } from '../support/queue/start-sides.ts'
import { trivialScript } from '../support/queue/trivial-script.ts'

const rounds = 3
/** Of each run; of 50 projects fewer, since each may need a process of its own. */
const jobs = 500
const jobsOfManyProjects = 100
/** Twice two cores: what an executor runs at a time unless told otherwise. */
const concurrency = 4

/**
 * Trivial analyses a second from the full queue through sandboxes to their committed results,
 * against a graphile-worker whose task runs the same script in a fresh isolate of its own process:
 * without a wall around it, and without keeping the result. And what a warm sandbox weighs.
 */
export default (): Promise<Figure[]> => withQueueBench(measure)

async function measure(bench: QueueBench): Promise<Figure[]> {
  const one = await startKilnSide(bench, { concurrency, analyses: 1, script: trivialScript })
  const many = await startKilnSide(bench, { concurrency, analyses: 50, script: trivialScript })
  const peer = { concurrency, localQueueSize: 100 }
  const pooled = await startPeer(bench, 'graphile', { ...peer, task: 'isolate' })
  const inTurn = await startPeer(bench, 'graphile', { ...peer, task: 'isolate-sync' })

  const samples = await interleave(rounds, {
    async one() {
      await one.fill(jobs)
      return bench.drain(one.side, jobs)
    },
    async many() {
      await many.fill(jobsOfManyProjects)
      return bench.drain(many.side, jobsOfManyProjects)
    },
    async pooled() {
      await pooled.call('fill', jobs)
      return bench.drain(pooled, jobs)
    },
    async inTurn() {
      await inTurn.call('fill', jobs)
      return bench.drain(inTurn, jobs)
    },
  })
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
    ...memoryFigures(bench, one.side.pid),
  ]
}

/** Of the sandboxes that an executor keeps after its last job; none where there is no /proc. */
function memoryFigures({ versions }: QueueBench, executorPid: number): Figure[] {
  const executor = processMemory(executorPid)
  const sandboxes = leavesOf(executorPid).flatMap((pid) => processMemory(pid) ?? [])
  if (!executor || sandboxes.length === 0) return []
  return [
    {
      figure: 'queue.sandbox-memory',
      unit: 'bytes',
      ours: median(sandboxes.map(({ proportionalBytes }) => proportionalBytes)),
      details: {
        resident_bytes: median(sandboxes.map(({ residentBytes }) => residentBytes)),
        sandboxes: sandboxes.length,
        executor_proportional_bytes: executor.proportionalBytes,
        executor_resident_bytes: executor.residentBytes,
      },
      versions,
    },
  ]
}
