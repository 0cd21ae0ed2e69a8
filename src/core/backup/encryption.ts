import {
  type ScryptOptions,
  createCipheriv,
  createDecipheriv,
  hkdfSync,
  randomBytes,
  scrypt,
} from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { KilnError } from '../errors/index.ts'
import { fileError } from '../os/index.ts'
import type { BackupEncryption } from './manifest.ts'

/** 2^17: 0.2 s and 128 MB for each guess (measured). */
const kdfCost = 2 ** 17
const kdfBlockSize = 8
export const segmentBytes = 1024 * 1024
const ivBytes = 12
const tagBytes = 16

/** A new random key of a set, and what its manifest says of it. */
export interface NewKey {
  readonly key: Buffer
  readonly encryption: BackupEncryption
}

/** Makes the key of a new set. It goes into the manifest encrypted with a key of the passphrase. */
export async function createKey(passphrase: string): Promise<NewKey> {
  const kdf = {
    name: 'scrypt',
    cost: kdfCost,
    blockSize: kdfBlockSize,
    parallelization: 1,
    salt: randomBytes(16).toString('base64'),
  } as const
  const key = randomBytes(32)
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', await deriveKey(passphrase, kdf), iv)
  const wrapped = Buffer.concat([iv, cipher.update(key), cipher.final(), cipher.getAuthTag()])
  return {
    key,
    encryption: {
      cipher: 'aes-256-gcm',
      segmentBytes,
      kdf,
      wrappedKey: wrapped.toString('base64'),
    },
  }
}

/**
 * The key of a set.
 *
 * @throws KilnError BACKUP_PASSPHRASE_WRONG.
 */
export async function unwrapKey(
  setId: string,
  { kdf, wrappedKey }: BackupEncryption,
  passphrase: string,
): Promise<Buffer> {
  const wrapped = Buffer.from(wrappedKey, 'base64')
  const derived = await deriveKey(passphrase, kdf)
  try {
    const decipher = createDecipheriv('aes-256-gcm', derived, wrapped.subarray(0, ivBytes))
    decipher.setAuthTag(wrapped.subarray(-tagBytes))
    return Buffer.concat([decipher.update(wrapped.subarray(ivBytes, -tagBytes)), decipher.final()])
  } catch (error) {
    throw new KilnError('BACKUP_PASSPHRASE_WRONG', `the passphrase is not that of ${setId}`, {
      hint: 'name the file of the passphrase that the set was made with: --passphrase-file FILE',
      cause: error,
    })
  }
}

/**
 * The passphrase in a file: its first line. An empty one is refused.
 *
 * @throws KilnError FILE_NOT_FOUND, FILE_UNREADABLE, PERMISSION_DENIED, BACKUP_PASSPHRASE_MISSING.
 */
export async function readPassphrase(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw fileError(error, file)
  })
  const passphrase = text.split(/\r?\n/, 1)[0] ?? ''
  if (passphrase !== '') return passphrase
  throw new KilnError('BACKUP_PASSPHRASE_MISSING', `${file} has no passphrase in its first line`, {
    hint: 'write one, such as: openssl rand -base64 32',
  })
}

/** A key for one file, from the set's key: it also binds the file to its path. */
export function objectKey(key: Buffer, salt: Buffer, path: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, `kiln-object\n${path}`, 32))
}

/** Unique per segment; the last one says so, so that a file cut between two of them is found out. */
export function segmentIv(index: number, isLast: boolean): Buffer {
  const iv = Buffer.alloc(ivBytes)
  iv.writeUInt32BE(index, 7)
  iv.writeUInt8(isLast ? 1 : 0, 11)
  return iv
}

function deriveKey(passphrase: string, kdf: BackupEncryption['kdf']): Promise<Buffer> {
  const options: ScryptOptions = {
    N: kdf.cost,
    r: kdf.blockSize,
    p: kdf.parallelization,
    maxmem: 256 * kdf.cost * kdf.blockSize,
  }
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  scrypt(passphrase, Buffer.from(kdf.salt, 'base64'), 32, options, (error, derived) => {
    if (error) reject(error)
    else resolve(derived)
  })
  return promise
}
