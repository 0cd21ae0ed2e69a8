import { readFileSync, readlinkSync } from 'node:fs'
import { errorCodeOf } from '../errors/index.ts'

/** True when the pid belongs to a process, whoever owns it, also to one that has ended and waits to be collected. */
export function isPidTaken(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errorCodeOf(error) !== 'ESRCH'
  }
}

/**
 * True while a process of this pid runs. One that has ended does not, though its parent may never
 * collect it, as under the careless pid 1 of many containers.
 */
export function isProcessRunning(pid: number): boolean {
  return isPidTaken(pid) && !isZombie(pid)
}

function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name, in parentheses, may itself hold blanks and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    // Gone, or not on Linux.
    return false
  }
}

/** The folder a process works in; undefined when it is gone, not ours to ask, or not on Linux. */
export function workingFolderOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    // The caller treats unknown as neither proven nor disproven.
    return undefined
  }
}
