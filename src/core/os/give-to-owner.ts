import { lchown, stat } from 'node:fs/promises'
import { isRoot } from './accounts.ts'

/**
 * Gives what root has made in the folder of another account to that account: an operator's sudo must not
 * leave a service with files that it cannot open. Everywhere else what we make is ours.
 */
export async function giveToOwnerOf(folder: string, made: readonly string[]): Promise<void> {
  if (!isRoot()) return
  const { uid, gid } = await stat(folder)
  if (uid === 0) return
  for (const entry of made) await lchown(entry, uid, gid)
}
