import { formatDuration, formatSize } from '../units/index.ts'
import type { SandboxUsage } from './contract.ts'
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

/** A bomb can fill 1 GB in 100 ms; reading three files of /proc takes 20 to 30 µs. */
const sampleEveryMs = 25
/** What the process may hold besides the isolate's heap: itself (50 MB), and garbage not yet taken. */
const memoryGraceBytes = 256 * 1024 ** 2
/** The sandbox ends its script itself at the limit, and then knows the line; only then do we. */
const timeGraceMs = 250
/** The longest a timer of Node can wait; later than that it is set again. */
const maxTimerMs = 2 ** 31 - 1

/** What a process had used when a job was first looked at. */
interface Baseline {
  readonly cpuMs: number
  readonly mainThreadCpuMs: number
}

/**
 * Watches one job from outside, where the script has no say: wall time, the main thread's CPU time as
 * running time, the process's CPU time, resident memory. Reports the first excess once.
 *
 * CPU time counts from the first look: of most jobs, which end before it, it is never read.
 */
export class JobWatch {
  private readonly process: SandboxProcess
  private readonly limits: WatchedLimits
  private readonly onExcess: (excess: Excess) => void
  private readonly startedAt = performance.now()
  private before: Baseline | undefined
  private peakMemoryBytes = 0
  private sampler: NodeJS.Timeout | undefined
  private wallTimer: NodeJS.Timeout | undefined

  constructor(process: SandboxProcess, limits: WatchedLimits, onExcess: (excess: Excess) => void) {
    this.process = process
    this.limits = limits
    this.onExcess = onExcess
    this.sampler = setInterval(() => this.sample(), sampleEveryMs)
    this.waitForWallTime()
  }

  /** Ends the watch and says what the job used. */
  stop(): SandboxUsage {
    clearInterval(this.sampler)
    clearTimeout(this.wallTimer)
    this.readMemory()
    return { peakMemoryBytes: this.peakMemoryBytes }
  }

  private readMemory(): number {
    const bytes = this.process.readResidentBytes() ?? 0
    this.peakMemoryBytes = Math.max(this.peakMemoryBytes, bytes)
    return bytes
  }

  private sample(): void {
    const { limits, process } = this
    if (this.readMemory() > limits.memoryBytes + memoryGraceBytes) {
      this.onExcess(memoryExcess(limits.memoryBytes))
      return
    }
    const cpuMs = process.readCpuMs()
    const mainThreadCpuMs = process.readMainThreadCpuMs()
    if (cpuMs === undefined || mainThreadCpuMs === undefined) return
    this.before ??= { cpuMs, mainThreadCpuMs }
    if (cpuMs - this.before.cpuMs > limits.cpuMs) {
      this.onExcess(cpuExcess(limits.cpuMs))
    } else if (mainThreadCpuMs - this.before.mainThreadCpuMs > limits.runningMs + timeGraceMs) {
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
