import { describe, expect, it } from 'vitest'
import { parseRule, zoneOffsets } from '../../../src/core/cron/index.ts'

describe('a cron expression', () => {
  it.each([
    ['', 'it is empty'],
    ['   ', 'it is empty'],
    ['*', 'it has 1 field: it takes 5, or 6'],
    ['* * * *', 'it has 4 fields'],
    ['* * * * * * *', 'it has 7 fields'],
    ['60 * * * *', '"60" is outside 0-59, the minute field'],
    ['* 24 * * *', '"24" is outside 0-23, the hour field'],
    ['* * 0 * *', '"0" is outside 1-31'],
    ['* * 32 * *', '"32" is outside 1-31'],
    ['* * * 13 *', '"13" is outside 1-12'],
    ['* * * * 8', '"8" is outside 0-7'],
    ['60 * * * * *', 'the second field'],
    ['-1 * * * *', '"-1" is not a value'],
    ['1.5 * * * *', '"1.5" is not a value'],
    ['1-2-3 * * * *', '"1-2-3" is not a value'],
    ['** * * * *', '"**" is not a value'],
    ['*-5 * * * *', '"*-5" is not a range'],
    ['1;2 * * * *', '"1;2" is not a value'],
    ['1,,2 * * * *', 'an empty item'],
    ['1, * * * *', 'an empty item'],
    ['*/0 * * * *', 'an impossible step'],
    ['0 22-2 * * *', '"22-2" is a range that ends before it begins'],
    ['0 0 * NOV-FEB *', 'ends before it begins'],
    ['0 0 * * FRI-MON', 'ends before it begins'],
    ['0 0 * * 6-0', 'ends before it begins'],
    ['0 0 * * MONDAY', 'is no number or name of the day-of-week field'],
    ['JAN * * * *', 'is no number of the minute field'],
    ['? * * * *', '? stands for any day'],
    ['0 0 * ? *', '? stands for any day'],
    ['H * * * *', 'H is not supported'],
    ['0 0 15W * *', 'W, the nearest working day, is not supported'],
    ['0 0 LW * *', 'W, the nearest working day, is not supported'],
    ['0 0 L-2 * *', 'stands alone'],
    ['0 0 * * L', 'L alone is no day of the week'],
    ['0 0 * * 8L', 'outside 0-7'],
    ['0 0 * * 5#6', 'outside 1-5'],
    ['0 0 * * 5#0', 'outside 1-5'],
    ['0 0 31 2 *', 'it never fires'],
    ['0 0 30 2 *', 'it never fires'],
    ['0 0 31 4,6,9,11 *', 'it never fires'],
    ['@reboot', 'it names no time'],
    ['@fortnightly', 'there is no such macro'],
    [`${'1,'.repeat(600)}1 * * * *`, 'longer than 1000 characters'],
  ])('%s is refused with the reason', (expression, reason) => {
    expect(() => parseRule(expression)).toThrow(
      expect.objectContaining({ code: 'CRON_INVALID', message: expect.stringContaining(reason) }),
    )
  })

  it('is told how a reversed range is written', () => {
    expect(() => parseRule('0 22-2 * * *')).toThrow(
      expect.objectContaining({ hint: 'write it as two: 22-23,0-2' }),
    )
  })

  it('follows elapsed time when its minute or hour begins with a star', () => {
    const wildcards = ['* 2 * * *', '*/15 2 * * *', '0 */2 * * *', '*,5 2 * * *']
    expect(wildcards.map((text) => parseRule(text).isWildcard)).not.toContain(false)
    const fixed = ['0 2 * * *', '0-59/15 2 * * *', '5,* 2 * * *', '* 0 2 * * *', '0 2 */2 */2 *']
    expect(fixed.map((text) => parseRule(text).isWildcard)).not.toContain(true)
  })
})

describe('a time zone', () => {
  it('that does not exist is refused', () => {
    for (const name of ['Mars/Phobos', '', 'Europe/Berlin ', '../etc/passwd']) {
      expect(() => zoneOffsets(name)).toThrow(expect.objectContaining({ code: 'TIMEZONE_INVALID' }))
    }
  })

  it('is found in any case, and by its older names', () => {
    const at = Date.parse('2026-11-02T00:00Z')
    expect(zoneOffsets('europe/berlin').offsetAt(at)).toBe(3_600_000)
    expect(zoneOffsets('Asia/Calcutta').offsetAt(at)).toBe(5.5 * 3_600_000)
  })
})
