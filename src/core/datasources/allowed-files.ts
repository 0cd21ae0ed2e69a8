import { glob, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Settings } from '../config/index.ts'
import { KilnError } from '../errors/index.ts'
import { fileError } from '../os/index.ts'

type FileSettings = Pick<Settings, 'dataDir' | 'allowedFileRoots'>

/** A glob that matches more was not meant. */
const mostFiles = 10_000

/** Folders inside the data folder that hold Kiln's own secrets and server files. */
const privateFolders = ['keys', 'postgres']

/**
 * The files that a path or glob names, sorted, as real paths: each lies under an allowed folder
 * after every symbolic link has been followed. Checked when a datasource is added and again each
 * time it is used, since links and settings change; a row alone never widens what may be read.
 *
 * @throws KilnError FILE_NOT_FOUND when there is none, PERMISSION_DENIED for one that lies
 *   elsewhere.
 */
export async function findAllowedFiles(
  settings: FileSettings,
  pathOrGlob: string,
): Promise<readonly string[]> {
  const roots = await allowedRoots(settings)
  const files = new Set<string>()
  for (const found of await expand(pathOrGlob)) {
    const real = await realpath(found).catch((error: unknown) => {
      throw fileError(error, found)
    })
    if (!(await stat(real)).isFile()) continue
    await requireAllowed(settings, roots, found, real)
    files.add(real)
  }
  if (files.size > 0) return [...files].sort()
  throw new KilnError('FILE_NOT_FOUND', `no such file: ${pathOrGlob}`, {
    hint: isGlob(pathOrGlob)
      ? 'check the path; quote a glob so that the shell leaves it alone'
      : 'check the path',
  })
}

/** The folders whose files may be read, as real paths. */
async function allowedRoots({ dataDir, allowedFileRoots }: FileSettings): Promise<string[]> {
  const workingFolder = process.cwd()
  // A service started in / would otherwise open the whole machine.
  const folders = [...(workingFolder === '/' ? [] : [workingFolder]), dataDir, ...allowedFileRoots]
  const real = await Promise.all(
    folders.map((folder) =>
      // A folder that is not there allows nothing.
      realpath(folder).catch(() => undefined),
    ),
  )
  return real.filter((folder) => folder !== undefined)
}

async function requireAllowed(
  { dataDir }: FileSettings,
  roots: readonly string[],
  found: string,
  real: string,
): Promise<void> {
  const realDataDir = await realpath(dataDir).catch(() => dataDir)
  const isPrivate = privateFolders.some((name) => isInside(path.join(realDataDir, name), real))
  if (!isPrivate && roots.some((root) => isInside(root, real))) return
  const leadsTo = found === real ? '' : ` (it leads to ${real})`
  throw new KilnError('PERMISSION_DENIED', `${found}${leadsTo} is not under an allowed folder`, {
    hint: isPrivate
      ? "name a file that is not one of Kiln's own"
      : 'add its folder to ANALYSIS_FILE_ROOTS, or run the command in that folder',
  })
}

const isInside = (folder: string, file: string): boolean =>
  file === folder || file.startsWith(folder === '/' ? '/' : `${folder}/`)

const isGlob = (text: string): boolean => /[*?[{]/.test(text)

/** A path that exists is itself, also when its name looks like a glob. */
async function expand(pathOrGlob: string): Promise<string[]> {
  const exists = await stat(pathOrGlob).then(
    () => true,
    () => false,
  )
  if (exists || !isGlob(pathOrGlob)) return [pathOrGlob]
  const found: string[] = []
  for await (const match of glob(pathOrGlob)) {
    // Hidden files hold settings and secrets; one that is meant is named.
    if (path.basename(match).startsWith('.')) continue
    found.push(path.resolve(match))
    if (found.length > mostFiles) {
      throw new KilnError(
        'DATASOURCE_INVALID',
        `${pathOrGlob} matches more than ${mostFiles} files`,
        {
          hint: 'name fewer files',
        },
      )
    }
  }
  return found
}
