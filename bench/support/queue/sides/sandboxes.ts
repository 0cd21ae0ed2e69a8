/** Our sandboxes alone, each script from the pool and back to it, as an executor takes them. */
import { loadSettings } from '../../../../src/core/config/index.ts'
import { jobLimits, largestLimits } from '../../../../src/core/executor/job-limits.ts'
import { processEntry } from '../../../../src/core/os/index.ts'
import { type SandboxHost, SandboxPool } from '../../../../src/core/sandbox/index.ts'
import { type DrainTime, stopwatch } from '../drain-time.ts'
import { offer, options } from '../offer.ts'
import { trivialScript } from '../trivial-script.ts'

const { concurrency } = options<{ readonly concurrency: number }>()
const { settings } = loadSettings({ flags: {} })
const pool = new SandboxPool({
  entryPath: processEntry('sandbox'),
  nodePath: process.execPath,
  size: concurrency,
  warm: 1,
  ...largestLimits(settings),
})

const host: SandboxHost = {
  call: () => Promise.reject(new Error('the script asks for nothing')),
  log: () => undefined,
  progress: () => undefined,
}

async function runOne(): Promise<void> {
  const sandbox = await pool.acquire('bench')
  try {
    const { status } = await sandbox.run(
      {
        script: { source: trivialScript, filename: 'bench.js', language: 'javascript' },
        parametersText: '{}',
        context: {
          job: { id: 'bench', attempt: 1, idempotencyKey: null, triggeredBy: 'bench' },
          analysis: { name: 'bench', version: 1 },
          project: { id: 'bench' },
          now: '2026-01-01T00:00:00.000Z',
          datasources: [],
        },
        limits: jobLimits(settings, {}),
      },
      host,
      new AbortController().signal,
    )
    if (status !== 'completed') throw new Error(`a script ended as ${status}`)
  } finally {
    sandbox.release()
  }
}

offer(
  {
    start: () => pool.start(),
    async drain(runs: number): Promise<DrainTime> {
      const watch = stopwatch()
      let left = runs
      const work = async (): Promise<void> => {
        for (; left > 0;) {
          left -= 1
          await runOne()
        }
      }
      await Promise.all(Array.from({ length: concurrency }, work))
      return watch.end(runs)
    },
  },
  () => pool.stop(),
)
