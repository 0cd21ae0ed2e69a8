import { randomBytes } from 'node:crypto'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf } from '../../errors/index.ts'
import { type Account, fileError, fileExists, runProgram, syncFolder } from '../../os/index.ts'
import type { PostgresBinaries } from './inspect-binaries.ts'
import { type Layout, databaseName, userName } from './layout.ts'
import { serverFailure } from './server-failure.ts'
import { clusterConfiguration } from './server-settings.ts'

export interface CreateClusterOptions {
  readonly layout: Layout
  readonly binaries: PostgresBinaries
  readonly account: Account | undefined
  readonly serverSettings: Readonly<Record<string, string>> | undefined
  readonly signal: AbortSignal | undefined
}

/** initdb takes 0.3 s; on a machine with a bad disk it has been seen to take a minute. */
const timeoutMs = 300_000

/**
 * Makes the cluster with the database `kiln` under a temporary name and renames it: what is called
 * pgdata is complete. No lock: the loser of a race throws its own away.
 */
export async function createCluster(options: CreateClusterOptions): Promise<void> {
  const { layout, binaries, account, signal } = options
  await removeLeftovers(layout)
  const temporary = `${layout.pgdata}.tmp.${process.pid}-${randomBytes(4).toString('hex')}`
  const environment = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' }
  const run = async (file: string, args: readonly string[], input = ''): Promise<void> => {
    const result = await runProgram(file, args, { account, environment, input, timeoutMs, signal })
    const output = `${result.stdout}${result.stderr}`
    // A single-user server ends with 0 also after an error.
    if (result.exitCode === 0 && !/\b(ERROR|FATAL|PANIC):/.test(output)) return
    throw serverFailure('the private Postgres cannot be created', result.stderr || result.stdout)
  }
  try {
    await run(path.join(binaries.folder, 'initdb'), [
      `--pgdata=${temporary}`,
      `--username=${userName}`,
      '--auth-local=trust',
      '--auth-host=reject',
      // One sort order wherever the cluster goes, whatever that system's libraries think.
      '--locale=C',
      '--encoding=UTF8',
      '--data-checksums',
      '--no-instructions',
      ...(options.serverSettings?.fsync === 'off' ? ['--no-sync'] : []),
    ])
    // Appended by the account, which owns the file.
    const append = ['-c', 'cat >> "$1"', 'sh', path.join(temporary, 'postgresql.conf')]
    await run('/bin/sh', append, clusterConfiguration(options.serverSettings))
    const singleUser = ['--single', '-D', temporary, '-c', 'logging_collector=off', 'postgres']
    await run(
      path.join(binaries.folder, 'postgres'),
      singleUser,
      `create database ${databaseName}\n`,
    )
    await rename(temporary, layout.pgdata)
    await syncFolder(layout.stateFolder)
  } catch (error) {
    if (!isTaken(error)) throw error
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** The name was there before us: another command has made the cluster. */
function isTaken(error: unknown): boolean {
  const code = errorCodeOf(error)
  return code === 'ENOTEMPTY' || code === 'EEXIST'
}

const oneHourMs = 3_600_000

/** Clusters whose makers died half way; a younger one may still be in the making. */
async function removeLeftovers(layout: Layout): Promise<void> {
  try {
    for (const name of await readdir(layout.stateFolder)) {
      if (!name.startsWith('pgdata.tmp.')) continue
      const folder = path.join(layout.stateFolder, name)
      if (!(await fileExists(folder))) continue
      if (Date.now() - (await stat(folder)).mtimeMs < oneHourMs) continue
      await rm(folder, { recursive: true, force: true })
    }
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') throw fileError(error, layout.stateFolder)
  }
}
