import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import pg from 'pg'
import { type Figure, median } from './figure.ts'
import { rateOf } from './support/queue/drain-time.ts'
import { type QueueBench, withQueueBench } from './support/queue/queue-bench.ts'
import { startKilnSide } from './support/queue/start-sides.ts'
import { trivialScript } from './support/queue/trivial-script.ts'

const kiln = path.resolve(import.meta.dirname, '../bin/kiln')
const jobs = 20_000
const rounds = 5
const oldJobs = Number(process.env.KILN_BENCH_HISTORY ?? 1_000_000)

/**
 * How much of its speed the queue keeps while a million old jobs are deleted: drains before, and drains
 * that begin and end while `kiln cleanup` is at work. What is left then goes with nobody waiting.
 */
export default (): Promise<Figure[]> => withQueueBench(measure, { needsPeers: false })

async function measure(bench: QueueBench): Promise<Figure[]> {
  const { side, url, analysisIds, fill } = await startKilnSide(bench, {
    concurrency: 10,
    runner: 'no-op',
    analyses: 1,
    script: trivialScript,
  })
  await side.call('addHistory', analysisIds, oldJobs)
  const drain = async (): Promise<number> => {
    await fill(jobs, { keepsHistory: true })
    return rateOf(await bench.drain(side, jobs))
  }
  await drain()
  const before: number[] = []
  for (let round = 0; round < rounds; round += 1) before.push(await drain())

  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const count = async (): Promise<number> => {
      const { rows } = await client.query<{ count: number }>(
        `select count(*)::integer as count from analysis_jobs where created_at < now() - interval '12 hours'`,
      )
      return rows[0]?.count ?? 0
    }
    const atFirst = await count()
    const startedAt = performance.now()
    const cleanup = spawn(kiln, ['cleanup', 'jobs', '--older-than', '12h', '-q'], {
      env: { ...process.env, DATABASE_URL: url },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const ended = once(cleanup, 'exit')
    const during: number[] = []
    while (during.length < rounds) {
      const rate = await drain()
      if (cleanup.exitCode !== null) break
      during.push(rate)
    }
    const afterDrains = await count()
    const busyMs = performance.now() - startedAt
    await ended
    const idleMs = performance.now() - startedAt - busyMs
    if (during.length === 0 || cleanup.exitCode !== 0) {
      throw new Error('the cleanup did not last as long as a drain, or failed')
    }
    return [
      {
        figure: 'cleanup: claims while a million old jobs go',
        unit: 'jobs_per_s',
        ours: median(during),
        peer: median(before),
        limit: { atLeast: 0.8 },
        details: {
          drains_during: during.length,
          deleted_while_busy_per_s: ((atFirst - afterDrains) / busyMs) * 1000,
          deleted_while_idle_per_s: (afterDrains / idleMs) * 1000,
          whole_cleanup_s: (busyMs + idleMs) / 1000,
        },
        versions: bench.versions,
      },
    ]
  } finally {
    await client.end()
  }
}
