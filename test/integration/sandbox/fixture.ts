import { readFileSync } from 'node:fs'
import path from 'node:path'
import type {
  LogLine,
  Sandbox,
  SandboxHost,
  SandboxJob,
  SandboxLimits,
  SandboxOutcome,
  ScriptContext,
} from '../../../src/core/sandbox/index.ts'
import { SandboxPool, type SandboxPoolOptions } from '../../../src/core/sandbox/index.ts'

const entryPath = path.resolve(import.meta.dirname, '../../../dist/processes/sandbox.js')

const mebibyte = 1024 ** 2

/** Generous where a test does not mean it: the machine may be busy. */
const limits: SandboxLimits = {
  timeoutMs: 20_000,
  runningMs: 20_000,
  cpuMs: 40_000,
  memoryBytes: 64 * mebibyte,
  resultBytes: 10 * mebibyte,
  logBytes: mebibyte,
  logLines: 10_000,
}

export const scriptContext: ScriptContext = {
  job: { id: 'job-1', attempt: 1, idempotencyKey: 'key', triggeredBy: 'manual' },
  analysis: { name: 'demo', version: 3 },
  project: { id: 'shop' },
  now: '2026-11-23T00:00:00.000Z',
  datasources: ['warehouse'],
}

export function openPool(options: Partial<SandboxPoolOptions> = {}): SandboxPool {
  return new SandboxPool({ entryPath, nodePath: process.execPath, size: 2, warm: 1, ...options })
}

export interface RunOptions {
  readonly language?: SandboxJob['script']['language']
  readonly limits?: Partial<SandboxLimits>
  readonly parameters?: unknown
  readonly optionsOf?: string
  readonly call?: SandboxHost['call']
  readonly signal?: AbortSignal
  readonly projectId?: string
  readonly datasources?: readonly string[]
  /** Called once the job has been handed over. */
  readonly onStarted?: (sandbox: Sandbox) => void
  readonly onLog?: (lines: readonly LogLine[]) => void
}

export interface Ran {
  readonly outcome: SandboxOutcome
  readonly log: readonly LogLine[]
  readonly progress: readonly [number, string | null][]
  readonly calls: readonly [operation: string, argumentsText: string][]
}

/** Runs one script in a sandbox of the pool. */
export async function runScript(
  pool: SandboxPool,
  source: string,
  options: RunOptions = {},
): Promise<Ran> {
  const log: LogLine[] = []
  const progress: [number, string | null][] = []
  const calls: [string, string][] = []
  const host: SandboxHost = {
    call(operation, argumentsText, signal) {
      calls.push([operation, argumentsText])
      return options.call?.(operation, argumentsText, signal) ?? Promise.resolve('null')
    },
    log(lines) {
      log.push(...lines)
      options.onLog?.(lines)
    },
    progress: (fraction, message) => void progress.push([fraction, message]),
  }
  const sandbox = await pool.acquire(options.projectId ?? 'shop')
  try {
    const running = sandbox.run(
      {
        script: { source, filename: 'demo.js', language: options.language },
        parametersText: JSON.stringify(options.parameters ?? {}),
        ...(options.optionsOf === undefined ? {} : { optionsOf: options.optionsOf }),
        context: { ...scriptContext, datasources: options.datasources ?? ['warehouse'] },
        limits: { ...limits, ...options.limits },
      },
      host,
      options.signal ?? new AbortController().signal,
    )
    options.onStarted?.(sandbox)
    return { outcome: await running, log, progress, calls }
  } finally {
    sandbox.release()
  }
}

/** The parsed result of a completed job; throws with the error of any other. */
export function resultOf({ outcome }: Ran): unknown {
  if (outcome.status === 'completed') return JSON.parse(outcome.resultText)
  throw new Error(outcome.status === 'failed' ? JSON.stringify(outcome.error) : 'aborted')
}

export function errorOf({ outcome }: Ran) {
  if (outcome.status === 'failed') return outcome.error
  throw new Error(`not failed but ${JSON.stringify(outcome)}`)
}

/** Wraps a body into an analysis; line 2 is the first of the body. */
export const body = (text: string): string =>
  `export default { async run(ctx, params) {\n${text}\n} }`

/** A process that has ended but that nobody has waited for yet is not alive. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}
