import { closeSync, openSync, readSync } from 'node:fs'

/** What a process has used so far; CPU since its start. */
export interface ProcessUsage {
  readonly residentBytes: number
  /** All threads. */
  readonly cpuMs: number
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
    return this.read() !== undefined
  }

  /** Undefined once the process is gone. */
  read(): ProcessUsage | undefined {
    // Not the figure in `stat`, which the kernel does not add up over all cores.
    const residentBytes = Number(this.text(0)?.split(' ')[1]) * pageBytes
    const used = this.cpuMs(1)
    // Without memory: it has ended, and nobody has waited for it yet.
    return used !== undefined && residentBytes > 0 ? { residentBytes, cpuMs: used } : undefined
  }

  /** CPU time of the main thread alone, where the script runs; undefined once the process is gone. */
  mainThreadCpuMs(): number | undefined {
    return this.cpuMs(2)
  }

  close(): void {
    for (const descriptor of this.descriptors) closeSync(descriptor)
  }

  private text(file: 0 | 1 | 2): string | undefined {
    try {
      const length = readSync(this.descriptors[file] ?? -1, this.buffer, 0, 1024, 0)
      return this.buffer.toString('latin1', 0, length)
    } catch {
      return undefined
    }
  }

  /** Fields 14 and 15 of proc(5), counted behind the command name, which may hold anything. */
  private cpuMs(file: 1 | 2): number | undefined {
    const text = this.text(file)
    if (text === undefined) return undefined
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * tickMs
  }
}
