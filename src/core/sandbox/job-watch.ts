import { formatDuration, formatSize } from '../units/index.ts'
import type { SandboxUsage } from './contract.ts'
import type { ProcessUsage } from './process-usage.ts'
import type { SandboxProcess } from './sandbox-process.ts'

export interface WatchedLimits {
  readonly timeoutMs: number
  readonly runningMs: number
  readonly cpuMs: number
  readonly memoryBytes: number
}

export interface Excess {
  readonly code: 'timeout' | 'memory_limit' | 'cpu_limit'
  readonly message: string
}

/** A bomb can fill 1 GB in 100 ms; reading three files of /proc takes 10 µs. */
const sampleEveryMs = 25
/** What the process may hold besides the isolate's heap: itself (50 MB), and garbage not yet taken. */
const memoryGraceBytes = 256 * 1024 ** 2
/** The sandbox ends its script itself at the limit, and then knows the line; only then do we. */
const timeGraceMs = 250
/** The longest a timer of Node can wait; later than that it is set again. */
const maxTimerMs = 2 ** 31 - 1

/**
 * Watches one job from outside, where the script has no say: wall time, the main thread's CPU time as
 * running time, the process's CPU time, resident memory. Reports the first excess once.
 */
export class JobWatch {
  private readonly process: SandboxProcess
  private readonly limits: WatchedLimits
  private readonly onExcess: (excess: Excess) => void
  private readonly startedAt = performance.now()
  private readonly before: ProcessUsage | undefined
  private readonly mainThreadBeforeMs: number
  private last: ProcessUsage | undefined
  private peakMemoryBytes = 0
  private sampler: NodeJS.Timeout | undefined
  private wallTimer: NodeJS.Timeout | undefined

  constructor(process: SandboxProcess, limits: WatchedLimits, onExcess: (excess: Excess) => void) {
    this.process = process
    this.limits = limits
    this.onExcess = onExcess
    // Read when it was taken for this job.
    this.before = process.lastUsage ?? process.readUsage()
    this.last = this.before
    this.mainThreadBeforeMs = process.mainThreadCpuMs() ?? 0
    this.sampler = setInterval(() => this.sample(), sampleEveryMs)
    this.waitForWallTime()
  }

  /** Ends the watch and says what the job used. */
  stop(): SandboxUsage {
    clearInterval(this.sampler)
    clearTimeout(this.wallTimer)
    this.read()
    return {
      wallMs: performance.now() - this.startedAt,
      cpuMs: (this.last?.cpuMs ?? 0) - (this.before?.cpuMs ?? 0),
      peakMemoryBytes: this.peakMemoryBytes,
    }
  }

  private read(): ProcessUsage | undefined {
    const usage = this.process.readUsage()
    if (!usage) return undefined
    this.last = usage
    this.peakMemoryBytes = Math.max(this.peakMemoryBytes, usage.residentBytes)
    return usage
  }

  private sample(): void {
    const usage = this.read()
    if (!usage) return
    const { limits, before } = this
    const cpuMs = usage.cpuMs - (before?.cpuMs ?? 0)
    const runningMs = (this.process.mainThreadCpuMs() ?? 0) - this.mainThreadBeforeMs
    if (usage.residentBytes > limits.memoryBytes + memoryGraceBytes) {
      this.onExcess(memoryExcess(limits.memoryBytes))
    } else if (cpuMs > limits.cpuMs) {
      this.onExcess(cpuExcess(limits.cpuMs))
    } else if (runningMs > limits.runningMs + timeGraceMs) {
      this.onExcess({
        code: 'timeout',
        message: `execution timeout: the script ran longer than ${formatDuration(limits.runningMs)} and could not be interrupted`,
      })
    }
  }

  private waitForWallTime(): void {
    const left = this.startedAt + this.limits.timeoutMs + timeGraceMs - performance.now()
    if (left <= 0) {
      const { timeoutMs } = this.limits
      this.onExcess({
        code: 'timeout',
        message: `execution timeout: the job took longer than ${formatDuration(timeoutMs)} and could not be interrupted`,
      })
      return
    }
    this.wallTimer = setTimeout(() => this.waitForWallTime(), Math.min(left, maxTimerMs))
  }
}

export const memoryExcess = (memoryBytes: number): Excess => ({
  code: 'memory_limit',
  message: `the script went over its memory limit of ${formatSize(memoryBytes)}`,
})

export const cpuExcess = (cpuMs: number): Excess => ({
  code: 'cpu_limit',
  message: `the script went over its CPU limit of ${formatDuration(cpuMs)}`,
})
