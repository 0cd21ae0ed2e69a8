import { randomUUID } from 'node:crypto'
import { lchown, link, lstat, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { errorCodeOf } from '../../errors/index.ts'
import { isPidTaken, isProcessRunning, workingFolderOf } from '../../os/index.ts'
import { type PostmasterFile, postmasterFilePath } from './postmaster-file.ts'

/** Whether the process that a server's file names is that server; undefined when unknowable. */
export async function isServerProcess(
  pgdata: string,
  file: PostmasterFile,
): Promise<boolean | undefined> {
  if (!isProcessRunning(file.pid)) return false
  const folder = workingFolderOf(file.pid)
  // A server works in its cluster's folder.
  return folder === undefined ? undefined : folder === (await realpath(pgdata).catch(() => pgdata))
}

/** Above every pid that a system hands out. */
const nobodysPid = 2 ** 31 - 1

/**
 * After a restart of the machine or container the pid in a dead server's file may belong to another
 * process of the same account, or to the dead server itself where pid 1 collects nobody; Postgres
 * would refuse to start for ever. The file is not simply
 * deleted, since Postgres also finds in it the shared memory that orphans of the dead server may
 * still use: only the pid is replaced, by one that cannot exist.
 */
export async function disarmStaleFile(pgdata: string, judged: PostmasterFile): Promise<void> {
  // Postgres itself sees that a pid is free.
  if (!isPidTaken(judged.pid)) return
  const current = postmasterFilePath(pgdata)
  const aside = `${current}.${randomUUID()}`
  const disarmed = `${aside}.new`
  try {
    // Narrows the window in which a server that has just started would miss its file.
    if ((await readFile(current, 'utf8')) !== judged.text) return
    await rename(current, aside)
    const isTheJudged = (await readFile(aside, 'utf8')) === judged.text
    await writeFile(disarmed, judged.text.replace(/^\d+/, String(nobodysPid)), { mode: 0o600 })
    // As root the file is the account's, which must read it.
    const { uid, gid } = await lstat(aside)
    await lchown(disarmed, uid, gid)
    // link(2) never replaces: whoever has started a server meanwhile keeps its file.
    await link(isTheJudged ? disarmed : aside, current)
  } catch (error) {
    // ENOENT, EEXIST: another command did the same or has started the server.
    if (!['ENOENT', 'EEXIST'].includes(errorCodeOf(error) ?? '')) throw error
  } finally {
    await rm(aside, { force: true })
    await rm(disarmed, { force: true })
  }
}
