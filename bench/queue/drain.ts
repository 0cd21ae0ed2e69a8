import { type Figure, interleave } from '../figure.ts'
import { summarize } from '../support/queue/drain-summary.ts'
import { type QueueBench, withQueueBench } from '../support/queue/queue-bench.ts'
import { startKilnSide, startPeer } from '../support/queue/start-sides.ts'
import { trivialScript } from '../support/queue/trivial-script.ts'

const rounds = 5
/** A service runs for weeks; until V8 has compiled all of it a drain takes up to twice the CPU. */
const warmUps = 5
const jobs = 20_000
const historyJobs = Number(process.env.KILN_BENCH_HISTORY ?? 1_000_000)
const concurrency = 10

/**
 * The queue alone: jobs a second that one process takes from a full queue to their committed end,
 * with work that costs nothing. Each side at its fastest settings, its tables analyzed; and ours
 * with a long history beside the same without.
 */
export default (): Promise<Figure[]> => withQueueBench(measure)

async function measure(bench: QueueBench): Promise<Figure[]> {
  const { versions } = bench
  const kiln = { concurrency, runner: 'no-op', analyses: 1, script: trivialScript } as const
  const empty = await startKilnSide(bench, kiln)
  const old = await startKilnSide(bench, kiln)
  await old.side.call('addHistory', old.analysisIds, historyJobs)
  const graphile = await startPeer(bench, 'graphile', {
    concurrency,
    localQueueSize: 500,
    task: 'no-op',
  })
  // Of 1 to 10 loops and batches of 100 to 1000, these were the fastest with two cores.
  const boss = await startPeer(bench, 'pg-boss', { loops: 4, batchSize: 250 })

  const sides = {
    async ours() {
      await empty.fill(jobs)
      return bench.drain(empty.side, jobs)
    },
    async graphile() {
      await graphile.call('fill', jobs)
      return bench.drain(graphile, jobs)
    },
    async withHistory() {
      await old.fill(jobs, { keepsHistory: true })
      return bench.drain(old.side, jobs)
    },
    async boss() {
      await boss.call('fill', jobs)
      return bench.drain(boss, jobs)
    },
  }
  const samples = await interleave(rounds, sides, warmUps)
  const ours = summarize('ours', samples.ours)
  const peers = [
    summarize('graphile_worker', samples.graphile),
    summarize('pg_boss', samples.boss),
  ] as const
  const withHistory = summarize('ours', samples.withHistory)
  return [
    {
      figure: 'queue.drain',
      unit: 'jobs_per_s',
      ours: ours.jobsPerSecond,
      peer: Math.max(...peers.map(({ jobsPerSecond }) => jobsPerSecond)),
      limit: { atLeast: 1 },
      details: { ...ours.details, ...peers[0].details, ...peers[1].details },
      versions,
    },
    {
      figure: 'queue.drain-with-history',
      unit: 'jobs_per_s',
      ours: withHistory.jobsPerSecond,
      peer: ours.jobsPerSecond,
      limit: { atLeast: 0.9 },
      details: withHistory.details,
      versions,
    },
  ]
}
