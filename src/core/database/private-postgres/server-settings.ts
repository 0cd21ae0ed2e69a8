import { statfs } from 'node:fs/promises'
import path from 'node:path'
import { fileExists } from '../../os/index.ts'
import type { PostgresBinaries } from './inspect-binaries.ts'

/**
 * Written into postgresql.conf of a new cluster, where an operator may change them. Log files are
 * one a weekday and overwritten after a week; statements' errors go to whoever sent them and are
 * not logged, so that the log neither grows with a script's mistakes nor holds its data.
 */
const clusterSettings: Readonly<Record<string, string>> = {
  max_connections: '100',
  timezone: 'UTC',
  log_timezone: 'UTC',
  jit: 'off',
  logging_collector: 'on',
  log_directory: '../log',
  log_filename: 'postgres-%a.log',
  log_rotation_age: '1d',
  log_rotation_size: '0',
  log_truncate_on_rotation: 'on',
  log_min_messages: 'log',
  log_checkpoints: 'off',
}

export function clusterConfiguration(
  overrides: Readonly<Record<string, string>> | undefined,
): string {
  const lines = Object.entries({ ...clusterSettings, ...overrides }).map(
    ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`,
  )
  return `\n# Kiln's choices; what follows them wins.\n${lines.join('\n')}\n`
}

/** Below this, parallel queries and statistics can fill /dev/shm; containers get 64 MB. */
const leastSharedMemoryBytes = 256 * 1024 ** 2

/** Arguments of every start: what depends on the machine, or must never be changed by hand. */
export async function startArguments(
  binaries: PostgresBinaries,
  socketFolder: string,
): Promise<readonly string[]> {
  const settings: Record<string, string> = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
  }
  if (await hasStatementStatistics(binaries)) {
    settings.shared_preload_libraries = 'pg_stat_statements'
  }
  if (await isSharedMemorySmall()) settings.dynamic_shared_memory_type = 'mmap'
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

async function hasStatementStatistics({ folder }: PostgresBinaries): Promise<boolean> {
  for (const libraries of ['../lib/postgresql', '../lib', '../lib64']) {
    for (const suffix of ['so', 'dylib']) {
      if (await fileExists(path.join(folder, libraries, `pg_stat_statements.${suffix}`)))
        return true
    }
  }
  return false
}

async function isSharedMemorySmall(): Promise<boolean> {
  if (process.platform !== 'linux') return false
  try {
    const { blocks, bsize } = await statfs('/dev/shm')
    return blocks * bsize < leastSharedMemoryBytes
  } catch {
    // No /dev/shm at all.
    return true
  }
}
