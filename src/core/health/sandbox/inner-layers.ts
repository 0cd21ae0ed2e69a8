import { type SandboxOutcome, SandboxPool } from '../../sandbox/index.ts'
import { processEntry } from '../../os/index.ts'
import { type Layer, active, broken } from './layer.ts'

const mebibyte = 1024 ** 2

const limits = {
  timeoutMs: 10_000,
  runningMs: 10_000,
  cpuMs: 10_000,
  memoryBytes: 32 * mebibyte,
  resultBytes: mebibyte,
  logBytes: 1024,
  logLines: 10,
}

/** For scripts that are to reach it. */
const shortMs = 300

const context = {
  job: { id: 'check', attempt: 1, idempotencyKey: null, triggeredBy: 'check' },
  analysis: { name: 'check', version: 1 },
  project: { id: 'check' },
  now: new Date(0).toISOString(),
  datasources: [],
}

/** What Node has, by whatever way a script may ask for it. */
const seeHost = `['process', 'require', 'fetch', 'Buffer', 'WebAssembly', 'SharedArrayBuffer']
  .filter((name) => Function('return typeof ' + name)() !== 'undefined')`

const scripts = {
  isolate: `return ${seeHost}`,
  time: 'for (;;);',
  uninterruptible: 'return new Array(2 ** 32 - 1).indexOf(1)',
  memory: 'const all = []; for (;;) all.push(new Array(1e5).fill(1.5))',
} as const

/** Runs scripts that overstep in real sandboxes: what the isolate and the executor's watch hold. */
export async function checkInnerLayers(): Promise<Layer[]> {
  const pool = new SandboxPool({
    entryPath: processEntry('sandbox'),
    nodePath: process.execPath,
    size: 2,
    warm: 1,
  })
  try {
    await pool.start()
    const run = async (text: string, runningMs = limits.runningMs): Promise<string> =>
      outcomeText(await runOnce(pool, text, runningMs))
    const seen = await run(scripts.isolate)
    const [time, stuck, memory] = await Promise.all([
      run(scripts.time, shortMs),
      run(scripts.uninterruptible, shortMs),
      run(scripts.memory),
    ])
    return [
      seen === 'completed with []'
        ? active('isolate', "a script sees nothing of Node's: no process, require, fetch")
        : broken('isolate', `a script that looked for Node ${seen}`),
      expecting('time', 'an endless loop', time, 'timeout'),
      expecting('watchdog', 'a builtin that nothing interrupts', stuck, 'timeout'),
      expecting('memory', 'a script that only takes memory', memory, 'memory_limit'),
    ]
  } finally {
    await pool.stop()
  }
}

const expecting = (name: string, what: string, got: string, wanted: string): Layer =>
  got === `failed with ${wanted}` ? active(name, `${what} ${got}`) : broken(name, `${what} ${got}`)

async function runOnce(
  pool: SandboxPool,
  text: string,
  runningMs: number,
): Promise<SandboxOutcome> {
  const sandbox = await pool.acquire('check')
  try {
    const source = `export default { run() {\n${text}\n} }`
    const script = { source, filename: 'check.js', language: 'javascript' as const }
    const host = {
      call: () => Promise.reject(new Error('a check calls nothing')),
      log: () => undefined,
      progress: () => undefined,
    }
    const job = { script, parametersText: '{}', context, limits: { ...limits, runningMs } }
    return await sandbox.run(job, host, new AbortController().signal)
  } finally {
    sandbox.release()
  }
}

function outcomeText(outcome: SandboxOutcome): string {
  if (outcome.status === 'completed') return `completed with ${outcome.resultText}`
  return outcome.status === 'failed' ? `failed with ${outcome.error.code}` : 'was aborted'
}
