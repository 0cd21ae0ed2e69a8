import { readFileSync } from 'node:fs'
import type pg from 'pg'

/** Linux counts the time of processes in hundredths of a second, whatever the kernel's own tick. */
const tickMs = 10

/**
 * Finds the server behind a connection and returns a function that tells the CPU time its processes
 * have used, user and system; or that knows none, where the server is on another machine or there
 * is no /proc.
 */
export async function postgresCpu(client: pg.Client): Promise<() => number | undefined> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const backend = readStat(rows[0]?.pid ?? 0)
  if (!backend || backend.program !== 'postgres') return () => undefined
  const postmaster = backend.parent
  return () => {
    const own = readStat(postmaster)
    if (!own) return undefined
    const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8')
    const ticks = children
      .split(' ')
      .map((pid) => readStat(Number(pid))?.ticks ?? 0)
      // Of backends that have ended the postmaster knows.
      .reduce((sum, more) => sum + more, own.ticks + own.endedTicks)
    return ticks * tickMs
  }
}

interface Stat {
  readonly program: string
  readonly parent: number
  readonly ticks: number
  /** Of children that have ended. */
  readonly endedTicks: number
}

function readStat(pid: number): Stat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    // Another system, another machine, or the process has just ended.
    return undefined
  }
  const program = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'))
  // From the third field on: state, parent, ...; 14 to 17 are the times.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const field = (number: number): number => fields[number - 3] ?? 0
  return {
    program,
    parent: field(4),
    ticks: field(14) + field(15),
    endedTicks: field(16) + field(17),
  }
}
