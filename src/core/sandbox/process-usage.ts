import { readFileSync } from 'node:fs'

/** CPU time and resident memory of a process, as the kernel counts them. */
export interface ProcessUsage {
  readonly cpuMs: number
  readonly residentBytes: number
}

/** Linux counts in ticks of 1/100 s and pages of 4 KiB on every platform Node supports there. */
const msPerTick = 10
const pageBytes = 4096

/** Undefined when the process is gone, or where there is no /proc. */
export function readProcessUsage(pid: number): ProcessUsage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command's name, in parentheses, may itself hold blanks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      cpuMs: (Number(fields[11]) + Number(fields[12])) * msPerTick,
      residentBytes: Number(fields[21]) * pageBytes,
    }
  } catch {
    return undefined
  }
}
