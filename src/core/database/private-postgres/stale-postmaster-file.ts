import { readFile, realpath, rm, stat } from 'node:fs/promises'
import { isProcessRunning, systemClock, workingFolderOf } from '../../os/index.ts'
import { socketPath } from './layout.ts'
import { type PostmasterFile, parsePostmasterFile, postmasterFilePath } from './postmaster-file.ts'

/** Whether the process that a server's file names is that server; undefined when unknowable. */
export async function isServerProcess(
  pgdata: string,
  file: PostmasterFile,
): Promise<boolean | undefined> {
  if (!(file.pid > 0) || !isProcessRunning(file.pid)) return false
  const folder = workingFolderOf(file.pid)
  // A server works in its cluster's folder.
  return folder === undefined ? undefined : folder === (await realpath(pgdata).catch(() => pgdata))
}

/** A server fills its file at once; one that is empty for longer was cut off, as by a power cut. */
const emptyLimitMs = 10_000

/**
 * Removes the file of a server that is proven dead. After a restart of the machine or container its
 * pid may belong to another process of the same account, or still to the dead server itself where
 * pid 1 collects nobody, and Postgres would refuse to start for ever. Children that outlive it are
 * no danger: Postgres finds them by the shared memory of the cluster, without this file.
 */
export async function removeStaleFile(pgdata: string, judged: PostmasterFile): Promise<void> {
  const file = postmasterFilePath(pgdata)
  if (judged.text === '' && (await ageMs(file)) < emptyLimitMs) return
  // Only the file that was judged: a server may have begun since.
  const current = await readFile(file, 'utf8').catch(() => undefined)
  if (current === judged.text) await rm(file, { force: true })
}

async function ageMs(file: string): Promise<number> {
  // Gone meanwhile: as young as can be.
  const changedAt = await stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => Infinity,
  )
  return systemClock.now() - changedAt
}

/**
 * The socket has a lock file of its own with the same trap. It guards no data and belongs to this
 * cluster alone, so it may go once its process is proven to be no server.
 */
export async function removeStaleSocketLock(pgdata: string, socketFolder: string): Promise<void> {
  const file = `${socketPath(socketFolder)}.lock`
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return
  if ((await isServerProcess(pgdata, parsePostmasterFile(text))) === false) {
    await rm(file, { force: true })
  }
}
