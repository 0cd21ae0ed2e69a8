import { spawnSync } from 'node:child_process'

/**
 * CPU time in milliseconds, user and system, of a program and its children. Bash measures, since
 * Node cannot ask for the usage of children and the times of /proc move in steps of 10 ms.
 */
export function cpuTimeMs(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): number {
  const { status, stderr } = spawnSync(
    'bash',
    ['-c', 'TIMEFORMAT="%3U %3S"; time "$@" > /dev/null 2> /dev/null', 'bash', program, ...args],
    { env: { ...process.env, LC_ALL: 'C', ...environment }, encoding: 'utf8' },
  )
  const times = /^([\d.]+) ([\d.]+)\n$/.exec(stderr)
  if (status !== 0 || !times) throw new Error(`${program} ${args.join(' ')} ended with ${status}`)
  return (Number(times[1]) + Number(times[2])) * 1000
}
