import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { KilnError } from '../errors/index.ts'
import type { SecretKey } from './secret-key.ts'

/** One byte of format, then nonce, tag and text. */
const format = 1
const nonceBytes = 12
const tagBytes = 16

/**
 * Encrypts a secret with AES-256-GCM. It can be read only together with the id of its row, so that
 * a secret copied into another row is refused there.
 */
export function encryptSecret(key: SecretKey, rowId: string, secret: string): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce)
  cipher.setAAD(Buffer.from(rowId))
  const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()])
  return Buffer.concat([Buffer.of(format), nonce, cipher.getAuthTag(), text])
}

/**
 * Reads what `encryptSecret` made.
 *
 * @throws KilnError DATASOURCE_INVALID when it was changed, or belongs to another row.
 */
export function decryptSecret(key: SecretKey, rowId: string, encrypted: Buffer): string {
  const start = 1 + nonceBytes
  try {
    if (encrypted[0] !== format || encrypted.length < start + tagBytes) throw new Error('format')
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, encrypted.subarray(1, start), {
      authTagLength: tagBytes,
    })
    decipher.setAAD(Buffer.from(rowId))
    decipher.setAuthTag(encrypted.subarray(start, start + tagBytes))
    const text = encrypted.subarray(start + tagBytes)
    return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8')
  } catch {
    // What GCM says is always the same, and says nothing more.
    throw new KilnError('DATASOURCE_INVALID', 'the stored secret was changed and cannot be read', {
      hint: 'remove the datasource and add it again',
    })
  }
}
