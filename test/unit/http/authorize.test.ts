import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { authorize, isSameSecret } from '../../../src/core/http/authorize.ts'

const token = 'a-token-for-tests-0001'
const requestWith = (authorization?: string) => ({ headers: { authorization } }) as IncomingMessage

describe('the bearer token', () => {
  test.each([`Bearer ${token}`, `bearer ${token}`, `Bearer   ${token} `])('%j passes', (header) => {
    expect(() => authorize(requestWith(header), token)).not.toThrow()
  })

  test.each([
    undefined,
    '',
    token,
    'Bearer',
    'Bearer ',
    `Basic ${token}`,
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token.toUpperCase()}`,
    `Bearer x Bearer ${token}`,
  ])('%j is refused', (header) => {
    expect(() => authorize(requestWith(header), token)).toThrow('missing or wrong')
  })

  test('without a configured one nothing passes, an empty one neither', () => {
    for (const header of [undefined, 'Bearer ', 'Bearer undefined', `Bearer ${token}`]) {
      expect(() => authorize(requestWith(header), undefined)).toThrow('no token is configured')
    }
  })

  test('texts of different lengths are compared without failing', () => {
    expect(isSameSecret('', token)).toBe(false)
    expect(isSameSecret('x'.repeat(100_000), token)).toBe(false)
    expect(isSameSecret(token, token)).toBe(true)
  })
})
