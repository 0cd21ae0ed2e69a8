import { describe, expect, it } from 'vitest'
import { isConnectionLost, isRefusal, isServerAway } from '../../../src/core/database/index.ts'

const of = (code: string, more = {}) => Object.assign(new Error('no'), { code, ...more })

describe('errors of the server', () => {
  it.each([
    ['57P01', true],
    ['08006', true],
    ['08001', true],
    ['25006', false],
    ['22P02', false],
  ])('%s is a lost connection: %s', (code, isLost) => {
    expect(isConnectionLost(of(code))).toBe(isLost)
  })

  it('takes what PgBouncer says when it gets no server for a lost connection', () => {
    expect(isConnectionLost(of('08P01', { severity: 'FATAL' }))).toBe(true)
    expect(isConnectionLost(of('08P01', { severity: 'ERROR' }))).toBe(false)
  })

  it.each(['25006', '28P01', '28000', '3D000', '53100', '57P03', 'ECONNREFUSED'])(
    'waits while the server takes nothing: %s',
    (code) => {
      expect(isServerAway(of(code))).toBe(true)
      expect(isRefusal(of(code))).toBe(false)
    },
  )

  it.each(['22P02', '23514', '54000', 'P0001', 'XX000'])('%s is of the values', (code) => {
    expect(isRefusal(of(code))).toBe(true)
    expect(isServerAway(of(code))).toBe(false)
  })

  it.each(['42501', '40P01', '57014', '42P01', '53200', 'ENOSPC'])('%s is neither', (code) => {
    expect(isRefusal(of(code))).toBe(false)
    expect(isServerAway(of(code))).toBe(false)
  })
})
