import { readFileSync } from 'node:fs'
import type pg from 'pg'

/** Linux counts the time of processes in hundredths of a second, whatever the kernel's own tick. */
const tickMs = 10

/**
 * CPU time in milliseconds, user and system, of all processes that a process has started, and of
 * theirs; also of those that have ended. Undefined where there is no /proc, or no such process.
 */
export function childrenCpuMs(pid: number): number | undefined {
  const stat = readStat(pid)
  return stat && (stat.endedTicks + runningTicks(pid)) * tickMs
}

function runningTicks(pid: number): number {
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ')
  return children
    .filter((child) => child !== '')
    .map(Number)
    .map((child) => {
      const stat = readStat(child)
      return stat ? stat.ticks + stat.endedTicks + runningTicks(child) : 0
    })
    .reduce((sum, ticks) => sum + ticks, 0)
}

/**
 * The process whose children are the server behind a connection; undefined where the server is on
 * another machine, or out of sight.
 */
export async function findPostmaster(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const backend = readStat(rows[0]?.pid ?? 0)
  return backend?.program === 'postgres' ? backend.parent : undefined
}

interface Stat {
  readonly program: string
  readonly parent: number
  readonly ticks: number
  /** Of children that have ended, and been waited for. */
  readonly endedTicks: number
}

function readStat(pid: number): Stat | undefined {
  const text = read(`/proc/${pid}/stat`)
  if (text === '') return undefined
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

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Another system, another machine, or the process has just ended.
    return ''
  }
}
