import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf } from '../../errors/index.ts'
import { fileError, fileExists } from '../../os/index.ts'
import { readClusterVersion, socketUrl } from './private-postgres.ts'
import { probeServer } from './probe-server.ts'
import { isServerProcess } from './stale-postmaster-file.ts'
import { findLayout } from './state-folder.ts'

export interface PrivatePostgresStatus {
  /** `absent`: never made; `starting`: starts, recovers or stops. */
  readonly state: 'running' | 'starting' | 'stopped' | 'absent'
  readonly stateFolder: string
  readonly logFolder: string
  /** Null unless the server lives. */
  readonly pid: number | null
  readonly startedAt: Date | null
  readonly connectionString: string | null
  /** Major version of the cluster; null when there is none. */
  readonly version: string | null
  /** Bytes of the cluster's files. */
  readonly sizeBytes: number
}

/** How the private Postgres of a data folder is; starts and changes nothing. */
export async function privatePostgresStatus(options: {
  readonly dataDir: string
}): Promise<PrivatePostgresStatus> {
  const layout = await findLayout(options.dataDir)
  const exists = await fileExists(layout.pgdata)
  const probe = await probeServer(layout)
  const file =
    probe.state === 'down' ||
    (probe.state === 'silent' && (await isServerProcess(layout.pgdata, probe.file)) !== true)
      ? undefined
      : probe.file
  const stopped = exists ? 'stopped' : 'absent'
  return {
    state: !file ? stopped : probe.state === 'ready' ? 'running' : 'starting',
    stateFolder: layout.stateFolder,
    logFolder: layout.logFolder,
    pid: file?.pid ?? null,
    startedAt: file ? new Date(file.startedAtMs) : null,
    connectionString: file && probe.state === 'ready' ? socketUrl(file.socketFolder) : null,
    version: exists ? await readClusterVersion(layout.pgdata) : null,
    sizeBytes: exists ? await sizeOf(layout.pgdata) : 0,
  }
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  try {
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue
      bytes += await sizeOfFile(path.join(entry.parentPath, entry.name))
    }
  } catch (error) {
    throw fileError(error, folder)
  }
  return bytes
}

async function sizeOfFile(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    // A running server removes files under our eyes.
    if (errorCodeOf(error) === 'ENOENT') return 0
    throw error
  }
}
