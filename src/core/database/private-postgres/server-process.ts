import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Account } from '../../os/index.ts'
import type { PostgresBinaries } from './inspect-binaries.ts'
import type { Layout } from './layout.ts'

/** One try to start the server. */
export interface ServerProcess {
  readonly pid: number
  /** True once it has ended, or could not be started. */
  readonly hasEnded: boolean
  /** What it printed before its own log began. */
  output(): Promise<string>
  /** Deletes the file that took its output; the server writes to its log by then. */
  forget(): Promise<void>
}

/**
 * Starts postgres so that it survives this command: in a session of its own, with neither our
 * terminal nor our pipes, so that `kiln … | cat` ends. A shell opens the output file, as the
 * account, and becomes the server.
 */
export function spawnServer(
  layout: Layout,
  binaries: PostgresBinaries,
  account: Account | undefined,
  args: readonly string[],
): ServerProcess {
  const outputFile = path.join(layout.logFolder, `start.${randomUUID()}.log`)
  const script = 'umask 077; exec "$@" > "$0" 2>&1'
  const command = [path.join(binaries.folder, 'postgres'), '-D', layout.pgdata, ...args]
  const child = spawn('/bin/sh', ['-c', script, outputFile, ...command], {
    cwd: '/',
    detached: true,
    stdio: 'ignore',
    // Nothing of ours: the server outlives us, and /proc shows its environment to its account.
    env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' },
    ...(account ? { uid: account.uid, gid: account.gid } : {}),
  })
  let hasEnded = false
  let spawnError = ''
  child.on('exit', () => (hasEnded = true))
  child.on('error', (error) => {
    hasEnded = true
    spawnError = `${error.message}\n`
  })
  child.unref()
  return {
    // The shell's, which the server takes over.
    pid: child.pid ?? -1,
    get hasEnded() {
      return hasEnded
    },
    async output() {
      // No file: the shell itself did not start.
      return spawnError + (await readFile(outputFile, 'utf8').catch(() => ''))
    },
    forget: () => rm(outputFile, { force: true }),
  }
}
