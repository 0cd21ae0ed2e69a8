import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { isProcessRunning } from './processes.ts'

/**
 * Names a process so that another process on the same machine can prove it gone. A bare pid cannot:
 * pids repeat, and containers each count their own.
 */
export interface ProcessIdentity {
  readonly host: string
  readonly pid: number
  /** Changes with every boot; null where the system has none. */
  readonly bootId: string | null
  /** The pid namespace; null where the system has none. */
  readonly pidNamespace: string | null
  /** Start time of the process in clock ticks since boot; null where unknown. */
  readonly startTicks: string | null
}

export function currentProcessIdentity(): ProcessIdentity {
  return {
    host: hostname(),
    pid: process.pid,
    bootId: readOrNull('/proc/sys/kernel/random/boot_id'),
    pidNamespace: linkOrNull('/proc/self/ns/pid'),
    startTicks: startTicksOf(process.pid),
  }
}

/**
 * True only when the process is certainly gone: it ran on this machine, in this boot or an earlier
 * one, in our pid namespace, and its pid is free or belongs to a younger process.
 */
export function isProvablyGone(
  other: ProcessIdentity,
  self: ProcessIdentity = currentProcessIdentity(),
): boolean {
  if (other.bootId === null || self.bootId === null || other.host !== self.host) return false
  // Boot ids differ on one host name only if the machine restarted, or if two machines share the
  // name; the latter is why the heartbeat, not this, decides across machines.
  if (other.bootId !== self.bootId || other.pidNamespace !== self.pidNamespace) return false
  if (!isProcessRunning(other.pid)) return true
  const ticks = startTicksOf(other.pid)
  return ticks !== null && other.startTicks !== null && ticks !== other.startTicks
}

function startTicksOf(pid: number): string | null {
  const stat = readOrNull(`/proc/${pid}/stat`)
  // The command's name, in parentheses, may itself hold blanks and parentheses.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    // Not Linux, or hidden from us: the caller treats unknown as not provable.
    return null
  }
}

function linkOrNull(file: string): string | null {
  try {
    return readlinkSync(file)
  } catch {
    return null
  }
}
