import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { ensureDataFolder, ensurePrivateFolder, fileError, syncFolder } from '../os/index.ts'

/** The key that encrypts stored secrets, and the short name by which rows refer to it. */
export interface SecretKey {
  readonly id: string
  readonly bytes: Buffer
}

export const keyFileOf = (dataDir: string): string => path.join(dataDir, 'keys', 'datasources.key')

/**
 * Where a key lies that came with a restore, while the folder has one of its own; undefined if it is
 * that one, or none.
 */
export function additionalKeyFileOf(dataDir: string, content: Buffer): string | undefined {
  const key = parseKey(content.toString('utf8'))
  return key && additionalKeyFile(dataDir, key.id)
}

const additionalKeyFile = (dataDir: string, keyId: string): string =>
  path.join(dataDir, 'keys', `datasources.${keyId}.key`)

/** True when secrets that were encrypted with the key can be read in this data folder. */
export async function hasSecretKey(dataDir: string, keyId: string): Promise<boolean> {
  return (await findKey(dataDir, keyId)) !== undefined
}

/**
 * The key of a data folder, made when it has none: 32 random bytes in hexadecimal, mode 0600. Two
 * processes that make it at once agree on one.
 *
 * @throws KilnError for a folder that cannot be written, DATASOURCE_KEY_MISSING for a file that
 *   holds no key.
 */
export async function ensureSecretKey(dataDir: string): Promise<SecretKey> {
  const file = keyFileOf(dataDir)
  const known = await readKey(file)
  if (known) return known
  const folder = path.dirname(file)
  await ensureDataFolder(dataDir)
  await ensurePrivateFolder(folder)
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    const text = `${randomBytes(32).toString('hex')}\n`
    await writeFile(temporary, text, { mode: 0o600, flag: 'wx', flush: true })
    // link(2) fails when the name is taken: the first one wins, and nobody reads half a key. If we
    // die here, cleanup removes the temporary file and nothing is encrypted with it.
    await link(temporary, file).catch((error: unknown) => {
      if (errorCodeOf(error) !== 'EEXIST') throw error
    })
    await syncFolder(folder)
  } catch (error) {
    throw fileError(error, file)
  } finally {
    await rm(temporary, { force: true })
  }
  const key = await readKey(file)
  if (!key) throw keyMissing(file, undefined)
  return key
}

/**
 * The key that a stored secret was encrypted with.
 *
 * @throws KilnError DATASOURCE_KEY_MISSING when the data folder has no key, or another.
 */
export async function requireSecretKey(dataDir: string, keyId: string): Promise<SecretKey> {
  const key = await findKey(dataDir, keyId)
  if (key) return key
  const file = keyFileOf(dataDir)
  throw keyMissing(file, keyId, (await readKey(file))?.id)
}

/** The folder's own, or one that a restore has brought. */
async function findKey(dataDir: string, keyId: string): Promise<SecretKey | undefined> {
  const own = await readKey(keyFileOf(dataDir))
  if (own?.id === keyId) return own
  // The name comes from a row.
  if (!/^[0-9a-f]{16}$/.test(keyId)) return undefined
  const other = await readKey(additionalKeyFile(dataDir, keyId))
  return other?.id === keyId ? other : undefined
}

async function readKey(file: string): Promise<SecretKey | undefined> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined
    throw fileError(error, file)
  }
  const key = parseKey(text)
  if (!key) throw keyMissing(file, undefined)
  return key
}

function parseKey(text: string): SecretKey | undefined {
  if (!/^[0-9a-f]{64}\s*$/.test(text)) return undefined
  const bytes = Buffer.from(text.trim(), 'hex')
  return { id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes }
}

function keyMissing(file: string, wanted: string | undefined, found?: string): KilnError {
  const what =
    wanted === undefined
      ? `${file} holds no key`
      : found === undefined
        ? `there is no key file ${file} for the stored secret (key ${wanted})`
        : `${file} is key ${found}, the stored secret needs key ${wanted}`
  return new KilnError('DATASOURCE_KEY_MISSING', what, {
    hint: 'copy the key file from the data folder where the datasource was added, or remove the datasource and add it again',
  })
}
