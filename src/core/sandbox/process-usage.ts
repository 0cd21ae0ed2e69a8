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
      for (const file of ['stat', `task/${pid}/stat`]) {
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
    const fields = this.fields(0)
    // Without memory: it has ended, and nobody has waited for it yet.
    const residentBytes = Number(fields?.[21]) * pageBytes
    return fields && residentBytes > 0 ? { residentBytes, cpuMs: cpuMs(fields) } : undefined
  }

  /** CPU time of the main thread alone, where the script runs; undefined once the process is gone. */
  mainThreadCpuMs(): number | undefined {
    const fields = this.fields(1)
    return fields && cpuMs(fields)
  }

  close(): void {
    for (const descriptor of this.descriptors) closeSync(descriptor)
  }

  /** From the third on, those behind the command name, which may hold anything. */
  private fields(file: 0 | 1): readonly string[] | undefined {
    try {
      const length = readSync(this.descriptors[file] ?? -1, this.buffer, 0, 1024, 0)
      const text = this.buffer.toString('latin1', 0, length)
      return text.slice(text.lastIndexOf(')') + 2).split(' ')
    } catch {
      return undefined
    }
  }
}

/** Fields 14 and 15 of proc(5): in user mode and in the kernel. */
const cpuMs = (fields: readonly string[]): number =>
  (Number(fields[11]) + Number(fields[12])) * tickMs
