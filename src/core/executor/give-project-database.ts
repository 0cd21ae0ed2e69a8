import { chmod, chown, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { ownerAccount } from '../confine/index.ts'
import { KilnError } from '../errors/index.ts'
import { ensurePrivateFolder, fileExists, interruptedRestoreMark, isRoot } from '../os/index.ts'

/**
 * Makes the folder of a project's database, for its owner alone, and gives it to the account that its
 * processes run under: one of its own that it keeps, or ours. Returns the account if it is not ours.
 * The caller holds a slot of the database.
 */
export async function giveProjectDatabase(
  file: string,
  hasOwnAccount: boolean,
): Promise<number | undefined> {
  const folder = path.dirname(file)
  const all = path.dirname(folder)
  await requireNoRestore(path.dirname(all))
  await ensurePrivateFolder(all)
  // Passed through, but not listed, by the accounts that own what lies in it.
  if (isRoot()) await chmod(all, 0o711)
  await ensurePrivateFolder(folder)
  if (!isRoot()) return undefined
  const { uid: current } = await stat(folder)
  const uid = hasOwnAccount ? ownerAccount(current, await ownersIn(all)) : undefined
  const wanted = uid ?? process.getuid?.() ?? 0
  for (const name of await readdir(folder)) {
    const entry = path.join(folder, name)
    const found = await stat(entry).catch(() => undefined)
    // One that a reader has closed meanwhile, or that is right already.
    if (found && found.uid !== wanted) await chown(entry, wanted, wanted)
  }
  // Last: who finds it right needs not look into it again.
  if (current !== wanted) await chown(folder, wanted, wanted)
  return uid
}

async function requireNoRestore(dataDir: string): Promise<void> {
  if (!(await fileExists(interruptedRestoreMark(dataDir)))) return
  throw new KilnError(
    'PROJECT_DATABASE_BUSY',
    `a restore of the project databases in ${dataDir} has not ended`,
    { hint: 'if it was interrupted: kiln restore duckdb --resume, or --rollback' },
  )
}

async function ownersIn(folder: string): Promise<number[]> {
  const names = await readdir(folder)
  const owners = await Promise.all(
    names.map(async (name) => (await stat(path.join(folder, name)).catch(() => undefined))?.uid),
  )
  return owners.filter((uid) => uid !== undefined)
}
