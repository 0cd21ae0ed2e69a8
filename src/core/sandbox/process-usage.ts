import { closeSync, openSync, readSync } from 'node:fs'

/** What a process has used so far; CPU since its start. */
export interface ProcessUsage {
  readonly residentBytes: number
  /** All threads. */
  readonly cpuMs: number
  /** The main thread alone: where the script runs. */
  readonly mainThreadCpuMs: number
}

const pageBytes = 4096
/** Linux counts CPU time in ticks of 10 ms towards user space, whatever its own clock does. */
const tickMs = 10

/**
 * Reads the use of a process from /proc. The files are opened once: rereading an open one costs
 * 3 µs, and it can never name another process that got the same id.
 */
export class UsageReader {
  private readonly descriptors: readonly number[]
  private readonly buffer = Buffer.allocUnsafe(1024)

  private constructor(descriptors: readonly number[]) {
    this.descriptors = descriptors
  }

  /** Undefined where there is no /proc: limits are then enforced by isolate and ulimit only. */
  static open(pid: number): UsageReader | undefined {
    const descriptors: number[] = []
    try {
      for (const file of ['statm', 'stat', `task/${pid}/stat`]) {
        descriptors.push(openSync(`/proc/${pid}/${file}`, 'r'))
      }
      return new UsageReader(descriptors)
    } catch {
      for (const descriptor of descriptors) closeSync(descriptor)
      return undefined
    }
  }

  /** False once the process has ended, also when nobody has waited for it yet. */
  isRunning(): boolean {
    try {
      return this.residentBytes() > 0
    } catch {
      return false
    }
  }

  /** Undefined once the process is gone. */
  read(): ProcessUsage | undefined {
    const [, stat = -1, mainThread = -1] = this.descriptors
    try {
      const residentBytes = this.residentBytes()
      // Ended, and not yet waited for.
      if (residentBytes === 0) return undefined
      return {
        residentBytes,
        cpuMs: this.cpuMs(stat),
        mainThreadCpuMs: this.cpuMs(mainThread),
      }
    } catch {
      return undefined
    }
  }

  close(): void {
    for (const descriptor of this.descriptors) closeSync(descriptor)
  }

  private residentBytes(): number {
    const [statm = -1] = this.descriptors
    return Number(this.text(statm).split(' ')[1]) * pageBytes
  }

  private text(descriptor: number): string {
    return this.buffer.toString('latin1', 0, readSync(descriptor, this.buffer, 0, 1024, 0))
  }

  /** Fields 14 and 15, counted behind the command name, which may hold anything. */
  private cpuMs(descriptor: number): number {
    const text = this.text(descriptor)
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * tickMs
  }
}
