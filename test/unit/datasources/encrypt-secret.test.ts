import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decryptSecret, encryptSecret } from '../../../src/core/datasources/encrypt-secret.ts'

const key = { id: 'k', bytes: randomBytes(32) }
const url = 'postgresql://user:pässword@host/db'

describe('encryptSecret', () => {
  it('gives the secret back, and never the same bytes twice', () => {
    const one = encryptSecret(key, 'row', url)
    expect(decryptSecret(key, 'row', one)).toBe(url)
    expect(encryptSecret(key, 'row', url).equals(one)).toBe(false)
    expect(one.includes('pässword')).toBe(false)
  })

  it.each([0, 5, 20, 35])('refuses bytes that were changed at %i', (index) => {
    const encrypted = encryptSecret(key, 'row', url)
    encrypted[index] = (encrypted[index] ?? 0) ^ 1
    expect(() => decryptSecret(key, 'row', encrypted)).toThrow('was changed')
  })

  it('refuses a secret of another row, of another key, and one that was cut off', () => {
    const encrypted = encryptSecret(key, 'row', url)
    expect(() => decryptSecret(key, 'other', encrypted)).toThrow('was changed')
    const other = { id: 'o', bytes: randomBytes(32) }
    expect(() => decryptSecret(other, 'row', encrypted)).toThrow('was changed')
    for (const length of [0, 1, 20, 28, encrypted.length - 1]) {
      expect(() => decryptSecret(key, 'row', encrypted.subarray(0, length))).toThrow('was changed')
    }
  })
})
