import { createHash } from 'node:crypto'
import { lstat, mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import { type Account, fileError } from '../../os/index.ts'
import { type Layout, socketPath } from './layout.ts'
import { makeFolder } from './state-folder.ts'

/** A socket address holds 108 bytes with the ending zero on Linux, 104 elsewhere. */
const longestPathBytes = process.platform === 'linux' ? 107 : 103

/**
 * Creates the folder of the socket: in the state folder, or, when its path would be too long for a
 * socket, a short one under /tmp. Other commands learn it from the server's own file.
 */
export async function createSocketFolder(
  layout: Layout,
  account: Account | undefined,
): Promise<string> {
  // The lock file beside the socket has the longer name, but only the socket's is an address.
  if (Buffer.byteLength(socketPath(layout.socketFolder)) <= longestPathBytes) {
    await makeFolder(layout.socketFolder, 0o700, account)
    return layout.socketFolder
  }
  const name = createHash('sha256').update(layout.stateFolder).digest('hex').slice(0, 12)
  const short = path.join('/tmp', `kiln-${name}`)
  await makeFolder(short, 0o700, account)
  const { uid, mode } = await lstat(short)
  const isOurs = uid === (account?.uid ?? process.geteuid?.()) && (mode & 0o170777) === 0o040700
  if (isOurs) return short
  // Someone else has the name, by chance or to listen in: take one that nobody can foresee.
  try {
    const folder = await mkdtemp('/tmp/kiln-')
    await makeFolder(folder, 0o700, account)
    return folder
  } catch (error) {
    throw fileError(error, '/tmp')
  }
}
