import { readFileSync } from 'node:fs'

export interface ProcessMemory {
  /** Pages that several processes share count for each with its part of them. */
  readonly proportionalBytes: number
  readonly residentBytes: number
}

/** Undefined where there is no /proc, or no such process. */
export function processMemory(pid: number): ProcessMemory | undefined {
  const text = read(`/proc/${pid}/smaps_rollup`)
  const bytesOf = (name: string): number | undefined => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
    return match ? Number(match[1]) * 1024 : undefined
  }
  const proportionalBytes = bytesOf('Pss')
  const residentBytes = bytesOf('Rss')
  if (proportionalBytes === undefined || residentBytes === undefined) return undefined
  return { proportionalBytes, residentBytes }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Another system, or the process has just ended.
    return ''
  }
}
