import { type Account, fileExists } from '../../os/index.ts'
import { createCluster } from './create-cluster.ts'
import { defaultBinarySources, findBinaries } from './find-binaries.ts'
import type { Layout } from './layout.ts'
import type { PrivatePostgresOptions } from './options.ts'
import { readClusterVersion } from './private-postgres.ts'
import { type ServerProcess, spawnServer } from './server-process.ts'
import { startArguments } from './server-settings.ts'
import { createSocketFolder } from './socket-folder.ts'
import { removeStaleSocketLock } from './stale-postmaster-file.ts'

/** Finds the programs and makes the cluster if there is none; returns what starts the server. */
export async function prepareServer(
  options: PrivatePostgresOptions,
  layout: Layout,
  account: Account | undefined,
): Promise<() => Promise<ServerProcess>> {
  const { overrides = {}, signal, log } = options
  const isNew = !(await fileExists(layout.pgdata))
  const binaries = await findBinaries({
    sources: overrides.sources ?? defaultBinarySources(),
    account,
    major: isNew ? undefined : await readClusterVersion(layout.pgdata),
    copyFolder: layout.binariesFolder,
  })
  if (isNew) {
    log?.info({ folder: layout.stateFolder }, 'Creating the private Postgres')
    const { serverSettings } = overrides
    await createCluster({ layout, binaries, account, serverSettings, signal })
  }
  const socketFolder = await createSocketFolder(layout, account)
  const args = await startArguments(binaries, socketFolder)
  return async () => {
    log?.info({ folder: layout.stateFolder }, 'Starting the private Postgres')
    await removeStaleSocketLock(layout.pgdata, socketFolder)
    return spawnServer(layout, binaries, account, args)
  }
}
