import { readFileSync, readdirSync } from 'node:fs'
import { isProcessRunning } from '../../src/core/os/index.ts'

/** Pids of the children of a process, and of theirs. Linux only. */
export function descendantsOf(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      parents.set(Number(name), parent)
    } catch {
      // It ended while we looked.
    }
  }
  const found: number[] = []
  const visit = (id: number): void => {
    for (const [child, parent] of parents) {
      if (parent !== id) continue
      found.push(child)
      visit(child)
    }
  }
  visit(pid)
  return found
}

/** The command line of a process; empty when it has ended. Linux only. */
export function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

/** Which of these processes still run. */
export const survivors = (pids: readonly number[]): number[] => pids.filter(isProcessRunning)
