import { describe, expect, it } from 'vitest'
import {
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
} from '../../../src/core/units/index.ts'

describe('parseSize', () => {
  it.each([
    ['256MB', 256 * 1024 ** 2],
    ['1.5 GiB', 1.5 * 1024 ** 3],
    ['10k', 10 * 1024],
    ['1048576', 1048576],
    ['0', 0],
  ])('reads %s', (text, bytes) => expect(parseSize(text)).toBe(bytes))

  it.each(['', 'MB', '-1MB', '1 XB', '1e3', '99999999999TB'])('refuses %j', (text) =>
    expect(parseSize(text)).toBeUndefined(),
  )
})

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['10', 10_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['1.5s', 1500],
  ])('reads %s', (text, ms) => expect(parseDuration(text)).toBe(ms))

  it.each(['', 'soon', '1x', '-5s', '1h 30m'])('refuses %j', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  )
})

describe('for people', () => {
  it('writes sizes', () => {
    expect([512, 1536, 3 * 1024 ** 2].map(formatSize)).toEqual(['512 B', '1.5 KB', '3.0 MB'])
  })
  it('writes durations', () => {
    expect([12, 3400, 125_000, 3_780_000].map(formatDuration)).toEqual([
      '12 ms',
      '3.4 s',
      '2 m 5 s',
      '1 h 3 m',
    ])
  })
})
