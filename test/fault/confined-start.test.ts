/** Executors that are killed while a confined process starts. */
import { randomUUID } from 'node:crypto'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { expect, it } from 'vitest'
import { execLine } from '../../src/core/units/index.ts'
import { waitUntil } from '../support/wait-until.ts'

const bwrap = ['bwrap', '--unshare-user', '--unshare-pid', '--unshare-net', '--ro-bind', '/', '/']
const isPossible =
  process.platform === 'linux' &&
  spawnSync(bwrap[0] ?? '', [...bwrap.slice(1), 'true']).status === 0
if (!isPossible) console.log('skipped: bwrap is not installed, or may not make namespaces')

/** Stands for an executor: starts a command that ends with its input, and is killed meanwhile. */
const starter = 'delay=$1; shift; /bin/sh -c "$0" "$@" <&3 3<&- & sleep $delay; kill -KILL $$'

async function startAndKill(delaySeconds: number, mark: string): Promise<void> {
  const command = [...bwrap, '--die-with-parent', '--new-session', '--setenv', 'MARK', mark, 'cat']
  const child = spawn('/bin/sh', ['-c', starter, execLine, String(delaySeconds), ...command], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  const input = child.stdio[3] as Writable
  input.on('error', () => undefined)
  await new Promise((resolve) => child.once('exit', resolve))
  input.destroy()
}

function marked(mark: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(mark)
      } catch {
        // It has ended meanwhile.
        return false
      }
    })
}

it.skipIf(!isPossible)('leave nothing behind, at whatever moment', async () => {
  const mark = randomUUID()
  for (let round = 0; round < 20; round += 1) {
    const delays = [0, 1, 2, 3, 4, 5].map((step) => (round + step * 4) / 1000)
    await Promise.all(delays.map((delay) => startAndKill(delay, mark)))
  }
  await waitUntil('all have ended', () => marked(mark).length === 0)
  expect(marked(mark)).toEqual([])
})
