import type { Settings } from '../config/index.ts'
import type { SandboxLimits } from '../sandbox/contract.ts'

/** What a script asks for in its definition; each is bounded by the operator's setting. */
export interface DeclaredLimits {
  readonly timeoutMs?: number | undefined
  readonly memoryBytes?: number | undefined
}

/** A result larger than this is refused: it belongs in a table or an exported file. */
const resultBytes = 10 * 1024 ** 2
const logBytes = 1024 ** 2
const logLines = 10_000

type LimitSettings = Pick<Settings, 'jobTimeoutMs' | 'sandboxTimeoutMs' | 'sandboxMemoryBytes'>

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
    // Garbage collection and compilation use threads of their own, so CPU time may exceed the
    // script's running time; twice that is past anything honest.
    cpuMs: 2 * runningMs + 1000,
    memoryBytes: Math.min(settings.sandboxMemoryBytes, declared.memoryBytes ?? Infinity),
    resultBytes,
    logBytes,
    logLines,
  }
}
