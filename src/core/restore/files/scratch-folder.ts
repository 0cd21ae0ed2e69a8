import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type BackupSet, claimFolder } from '../../backup/index.ts'
import { isRoot } from '../../os/index.ts'

/** A folder beside the sets, where there is room for one more; elsewhere if nobody may write there. */
export async function makeScratchFolder(set: BackupSet): Promise<string> {
  const make = async (parent: string): Promise<string> => {
    const folder = await mkdtemp(path.join(parent, 'drill-'))
    await claimFolder(folder)
    if (isRoot()) await chmod(folder, 0o711)
    return folder
  }
  return await make(path.join(set.repository.path, 'tmp')).catch(() => make(tmpdir()))
}
