import type { Settings } from '../config/index.ts'
import type { SandboxLimits } from '../sandbox/contract.ts'

/** What a script asks for in its definition; each is bounded by the operator's setting. */
export interface DeclaredLimits {
  readonly timeoutMs?: number | undefined
  readonly cpuMs?: number | undefined
  readonly memoryBytes?: number | undefined
}

/** A result larger than this is refused: it belongs in a table or an exported file. */
const resultBytes = 10 * 1024 ** 2
const logBytes = 1024 ** 2
const logLines = 10_000

type LimitSettings = Pick<
  Settings,
  'jobTimeoutMs' | 'sandboxTimeoutMs' | 'sandboxCpuMs' | 'sandboxMemoryBytes'
>

/** The limits of one job: what it declares and what the caller gives, at most the operator's. */
export function jobLimits(
  settings: LimitSettings,
  declared: DeclaredLimits,
  callerTimeoutMs = Number.POSITIVE_INFINITY,
): SandboxLimits {
  const timeoutMs = Math.min(settings.jobTimeoutMs, declared.timeoutMs ?? Infinity, callerTimeoutMs)
  const runningMs = Math.min(settings.sandboxTimeoutMs, timeoutMs)
  return {
    timeoutMs,
    runningMs,
    cpuMs: Math.min(
      // Garbage collection and compilation use threads of their own, so CPU time may exceed the
      // script's running time; twice that is past anything honest.
      2 * runningMs + 1000,
      settings.sandboxCpuMs ?? Infinity,
      declared.cpuMs ?? Infinity,
    ),
    memoryBytes: Math.min(settings.sandboxMemoryBytes, declared.memoryBytes ?? Infinity),
    resultBytes,
    logBytes,
    logLines,
  }
}

/** However little CPU time a job may have: starting a process takes some of it, and many jobs share it. */
const leastProcessCpuMs = 601_000

/** What a pool has to know of the limits that its jobs will have. */
export function largestLimits(settings: LimitSettings): {
  readonly maxMemoryBytes: number
  readonly maxCpuMs: number
} {
  const { memoryBytes, cpuMs } = jobLimits(settings, {})
  return { maxMemoryBytes: memoryBytes, maxCpuMs: Math.max(cpuMs, leastProcessCpuMs) }
}
