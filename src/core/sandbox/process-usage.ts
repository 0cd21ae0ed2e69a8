import { closeSync, openSync, readSync } from 'node:fs'

const pageBytes = 4096
/** Linux counts CPU time in ticks of 10 ms towards user space, whatever its own clock does. */
const tickMs = 10

/**
 * Reads the use of a process from /proc. The files are opened once: rereading an open one costs a
 * few microseconds, and it can never name another process that got the same id.
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

  /** Undefined once the process has ended, also when nobody has waited for it yet: it has none then. */
  readResidentBytes(): number | undefined {
    // Not the figure in `stat`, which the kernel does not add up over all cores.
    const pages = Number(this.text(0)?.split(' ', 2)[1])
    return pages > 0 ? pages * pageBytes : undefined
  }

  /** CPU time of all threads since the start; undefined once the process is gone. */
  readCpuMs(): number | undefined {
    return this.cpuMsIn(1)
  }

  /** CPU time of the main thread alone, where the script runs; undefined once the process is gone. */
  readMainThreadCpuMs(): number | undefined {
    return this.cpuMsIn(2)
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
  private cpuMsIn(file: 1 | 2): number | undefined {
    const text = this.text(file)
    if (text === undefined) return undefined
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', 13)
    return (Number(fields[11]) + Number(fields[12])) * tickMs
  }
}
