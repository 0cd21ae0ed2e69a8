import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import {
  type ProcessIdentity,
  currentProcessIdentity,
  isProvablyGone,
  writeFileAtomically,
} from '../os/index.ts'

const ownerFile = 'owner.json'
/** Of a process on another machine, which cannot be looked at. */
const staleAfterMs = 24 * 3_600_000

const ownerSchema = z.looseObject({ pid: z.number(), host: z.string() })

/** Says whose a folder in `tmp/` is: a drill may go on for hours, and keeps no backup waiting. */
export async function claimFolder(folder: string): Promise<void> {
  const text = `${JSON.stringify(currentProcessIdentity())}\n`
  await writeFileAtomically(path.join(folder, ownerFile), text)
}

/** True for a folder whose process still works in it, as far as is known. */
export async function isClaimed(folder: string): Promise<boolean> {
  const file = path.join(folder, ownerFile)
  try {
    const owner: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (!ownerSchema.safeParse(owner).success) return false
    const self = currentProcessIdentity()
    const other = owner as ProcessIdentity
    if (isProvablyGone(other, self)) return false
    if (other.bootId === self.bootId && other.pidNamespace === self.pidNamespace) return true
    return Date.now() - (await stat(file)).mtimeMs < staleAfterMs
  } catch {
    // Nobody's, or of one that died before it said so.
    return false
  }
}
