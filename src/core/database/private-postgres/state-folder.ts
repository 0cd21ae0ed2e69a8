import { createHash } from 'node:crypto'
import { lchown, lstat, mkdir, readFile, readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { KilnError, errorCodeOf } from '../../errors/index.ts'
import {
  type Account,
  ensureDataFolder,
  fileError,
  fileExists,
  findAccount,
  runProgram,
  writeFileAtomically,
} from '../../os/index.ts'
import { type Layout, layoutOf } from './layout.ts'

const homeFolder = (dataDir: string): string => path.join(dataDir, 'postgres')

/** Holds the path of the state folder when it is not the one in the data folder. */
const locationFile = (dataDir: string): string => path.join(homeFolder(dataDir), 'location')

/**
 * Where the state of a data folder's server is, or would be; creates nothing.
 *
 * @throws KilnError PERMISSION_DENIED when the folder belongs to another account.
 */
export async function findLayout(dataDir: string): Promise<Layout> {
  try {
    return layoutOf((await readFile(locationFile(dataDir), 'utf8')).trim())
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return layoutOf(homeFolder(dataDir))
    throw await accessError(error, dataDir)
  }
}

/**
 * Creates the state folder, for its account alone. As root it moves to `relocationFolder` when the
 * server's account cannot enter the data folder, as with every folder below /root; the data folder
 * then records where it is.
 */
export async function createStateFolder(
  dataDir: string,
  account: Account | undefined,
  relocationFolder: string,
): Promise<Layout> {
  await ensureDataFolder(dataDir)
  const found = await findLayout(dataDir)
  const isAtHome = found.stateFolder === homeFolder(dataDir)
  const isNew = isAtHome && !(await fileExists(found.pgdata))
  if (isNew && account && !(await canEnter(dataDir, account))) {
    const name = createHash('sha256')
      .update(await realpath(dataDir))
      .digest('hex')
      .slice(0, 16)
    const stateFolder = path.join(relocationFolder, name)
    await makeFolder(relocationFolder, 0o711)
    // The folder first: if we die here, the next command finds no record and comes here again.
    await makeFolder(stateFolder, 0o700, account)
    await makeFolder(homeFolder(dataDir), 0o700)
    await writeFileAtomically(locationFile(dataDir), `${stateFolder}\n`)
  } else {
    // Passable again in case someone has removed it.
    if (!isAtHome) await makeFolder(path.dirname(found.stateFolder), 0o711)
    await makeFolder(found.stateFolder, 0o700, account)
  }
  const layout = await findLayout(dataDir)
  if (account && !(await canEnter(layout.stateFolder, account))) {
    throw new KilnError(
      'PERMISSION_DENIED',
      `the account ${account.name}, which runs the private Postgres for root, cannot enter ${layout.stateFolder}`,
      { hint: 'let others pass through the folders above it (chmod o+x), or set DATABASE_URL' },
    )
  }
  await makeFolder(layout.logFolder, 0o700, account)
  return layout
}

/**
 * Creates a folder and gives it to the account; safe to repeat and to race. A folder that was there
 * changes hands only when it is root's and empty, as after a death between the two steps: a path
 * that someone else prepared must not make root give away a folder of the system.
 */
export async function makeFolder(folder: string, mode: number, account?: Account): Promise<void> {
  try {
    const created = await mkdir(folder, { recursive: true, mode })
    if (!account) return
    const isUnfinished = (await lstat(folder)).uid === 0 && (await readdir(folder)).length === 0
    if (created !== undefined || isUnfinished) await lchown(folder, account.uid, account.gid)
  } catch (error) {
    throw fileError(error, folder)
  }
}

/** Asks the kernel by trying: modes alone say nothing about ACLs, mounts and containers. */
async function canEnter(folder: string, account: Account): Promise<boolean> {
  try {
    const { exitCode } = await runProgram('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], {
      account,
      timeoutMs: 10_000,
    })
    return exitCode === 0
  } catch (error) {
    throw new KilnError(
      'PRIVATE_POSTGRES_FAILED',
      `root may not start programs as ${account.name} here, and Postgres does not run as root`,
      { hint: 'run Kiln as another user, or set DATABASE_URL', cause: error },
    )
  }
}

async function accessError(error: unknown, dataDir: string): Promise<KilnError> {
  const folder = homeFolder(dataDir)
  const code = errorCodeOf(error)
  if (code !== 'EACCES' && code !== 'EPERM') return fileError(error, folder)
  const owner = await stat(folder).catch(() => undefined)
  const name = owner && ((await findAccount(owner.uid))?.name ?? `uid ${owner.uid}`)
  return new KilnError(
    'PERMISSION_DENIED',
    `the private Postgres in ${folder} ${name ? `belongs to ${name}` : 'is closed to this user'}`,
    {
      hint: 'run the command as the user who ran the first one there, or give this user its own ANALYSIS_DATA_DIR',
      cause: error,
    },
  )
}
