import { readFileSync } from 'node:fs'
import type pg from 'pg'

/** Linux counts the time of processes in hundredths of a second, whatever the kernel's own tick. */
const tickMs = 10

/**
 * How often processes are looked at that may end without a word: of each, what is missed is a part of
 * this. More often, the looks at fifty sandboxes and their launchers would cost the figure a percent.
 */
const sampleEveryMs = 400

/**
 * Returns a function that tells the CPU time in milliseconds, user and system, that the children of
 * a process have used since, and those that have ended meanwhile. For a process that waits for its
 * children itself; undefined where there is no /proc, or no such process.
 */
export function watchChildren(pid: number): () => number | undefined {
  const read = (): number | undefined => {
    const stat = readStat(pid)
    if (!stat) return undefined
    return childrenOf(pid).reduce((sum, child) => sum + ticksOf(child), stat.endedTicks)
  }
  const before = read()
  return () => {
    const after = read()
    return before === undefined || after === undefined ? undefined : (after - before) * tickMs
  }
}

/**
 * The same for all that descend from a process, at any depth. What a killed launcher leaves behind
 * is waited for by nobody, so that its time is seen only while it runs.
 */
export function watchDescendants(pid: number): () => number {
  const before = new Map(descendantsOf(pid).map((child) => [child, ticksOf(child)]))
  const last = new Map(before)
  const sample = (): void => {
    for (const child of descendantsOf(pid)) {
      last.set(child, Math.max(ticksOf(child), last.get(child) ?? 0))
    }
  }
  const timer = setInterval(sample, sampleEveryMs).unref()
  return () => {
    clearInterval(timer)
    sample()
    return [...last]
      .map(([child, ticks]) => (ticks - (before.get(child) ?? 0)) * tickMs)
      .reduce((sum, ms) => sum + ms, 0)
  }
}

/** Processes below another that have no children themselves: not the launchers between. */
export const leavesOf = (pid: number): number[] =>
  descendantsOf(pid).filter((child) => childrenOf(child).length === 0)

const descendantsOf = (pid: number): number[] =>
  childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)])

const childrenOf = (pid: number): number[] =>
  read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((child) => child !== '')
    .map(Number)

const ticksOf = (pid: number): number => readStat(pid)?.ticks ?? 0

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
