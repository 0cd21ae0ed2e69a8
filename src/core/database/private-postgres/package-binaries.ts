import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
} from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf } from '../../errors/index.ts'
import { type Account, fileError } from '../../os/index.ts'
import { type PostgresBinaries, inspectBinaries } from './inspect-binaries.ts'

/**
 * Makes the npm package's programs usable: restores the library links that npm leaves out when it
 * does not run the package's install script, and copies the programs where the account can reach
 * them when it cannot read the originals or the links cannot be made beside them. Undefined when
 * they do not run on this machine, or are of another major version.
 */
export async function preparePackage(
  packageFolder: string,
  account: Account | undefined,
  major: string | undefined,
  copyFolder: string,
): Promise<PostgresBinaries | undefined> {
  const version = await packageVersion(packageFolder)
  if (version === undefined || (major !== undefined && version.split('.')[0] !== major)) {
    return undefined
  }
  await restoreLinks(packageFolder)
  const original = await inspectBinaries(path.join(packageFolder, 'native', 'bin'), account)
  if ('binaries' in original) return original.binaries
  if (original.problem === 'broken') return undefined

  const copy = path.join(copyFolder, version)
  const bin = path.join(copy, 'native', 'bin')
  const earlier = await inspectBinaries(bin, account)
  if ('binaries' in earlier) return earlier.binaries
  await copyPackage(packageFolder, copy)
  const copied = await inspectBinaries(bin, account)
  return 'binaries' in copied ? copied.binaries : undefined
}

async function packageVersion(packageFolder: string): Promise<string | undefined> {
  try {
    const text = await readFile(path.join(packageFolder, 'package.json'), 'utf8')
    return (JSON.parse(text) as { version: string }).version
  } catch {
    // Removed or half installed: as good as absent.
    return undefined
  }
}

interface LibraryLink {
  readonly source: string
  readonly target: string
}

/** Makes missing links in place; where that is not allowed, the copy gets them. */
async function restoreLinks(folder: string): Promise<void> {
  for (const { source, target } of await readLinks(folder)) {
    const link = path.join(folder, target)
    try {
      await symlink(path.relative(path.dirname(target), source), link)
    } catch (error) {
      if (errorCodeOf(error) !== 'EEXIST') return
    }
  }
}

async function readLinks(folder: string): Promise<readonly LibraryLink[]> {
  try {
    const text = await readFile(path.join(folder, 'native', 'pg-symlinks.json'), 'utf8')
    return JSON.parse(text) as LibraryLink[]
  } catch {
    // Builds for some platforms need no links.
    return []
  }
}

/** If we die here, the half copy stays under a name that nobody uses. */
async function copyPackage(from: string, to: string): Promise<void> {
  const temporary = `${to}.${randomUUID()}.tmp`
  try {
    await copyFolder(path.join(from, 'native'), path.join(temporary, 'native'))
    await restoreLinks(temporary)
    await rename(temporary, to).catch(async (error: unknown) => {
      if (errorCodeOf(error) !== 'ENOTEMPTY' && errorCodeOf(error) !== 'EEXIST') throw error
      // Another command was faster, or an earlier copy was damaged: ours is whole.
      await rename(to, `${temporary}.old`)
      await rename(temporary, to)
      await rm(`${temporary}.old`, { recursive: true, force: true })
    })
  } catch (error) {
    throw fileError(error, to)
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/** Copies files readable and folders passable for all; the state folder above closes them. */
async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = path.join(from, entry.name)
    const target = path.join(to, entry.name)
    if (entry.isDirectory()) await copyFolder(source, target)
    else if (entry.isFile()) {
      await copyFile(source, target, constants.COPYFILE_FICLONE)
      const isProgram = ((await lstat(source)).mode & 0o100) !== 0
      await chmod(target, isProgram ? 0o755 : 0o644)
    }
  }
}
