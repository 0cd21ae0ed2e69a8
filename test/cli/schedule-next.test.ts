import { describe, expect, it } from 'vitest'
import { type KilnResult, runKiln } from '../support/kiln.ts'

/** No server answers there: a command that asked one would fail. */
const noDatabase = { env: { DATABASE_URL: 'postgresql://127.0.0.1:1/none' } }

const next = (...args: readonly string[]): Promise<KilnResult> =>
  runKiln(['schedule', 'next', ...args], noDatabase)

describe('kiln schedule next', () => {
  it('shows both times and marks the moved, without a database', async () => {
    const args = ['--cron', '30 2 * * *', '--tz', 'America/New_York', '--from']
    const { exitCode, stdout, stderr } = await next(
      ...args,
      '2026-03-07T12:00:00Z',
      '-n',
      '2',
      '--json',
    )
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({
      cron: '30 2 * * *',
      timezone: 'America/New_York',
      description: 'At 02:30',
      items: [
        {
          utc: '2026-03-08T07:00:00Z',
          local: '2026-03-08T03:00:00-04:00',
          weekday: 'Sunday',
          moved: true,
          doubled: false,
          note: 'moved: 02:30 does not exist',
        },
        {
          utc: '2026-03-09T06:30:00Z',
          local: '2026-03-09T02:30:00-04:00',
          weekday: 'Monday',
          moved: false,
          doubled: false,
          note: null,
        },
      ],
      next_cursor: null,
    })
  })

  it('marks both passes of what happens twice', async () => {
    const args = ['--cron', '*/30 1 * * *', '--tz', 'America/New_York', '-n', '4']
    const { stdout, stderr } = await next(...args, '--from', '2026-11-01T04:00:00Z')
    expect(stderr).toContain('(America/New_York)')
    expect(stdout.match(/(first|second) pass/g)).toEqual([
      'first pass',
      'first pass',
      'second pass',
      'second pass',
    ])
  })

  it('refuses with the reason', async () => {
    const never = await next('--cron', '0 0 31 2 *', '--json')
    expect(never.exitCode).toBe(65)
    expect(never.stdout).toBe('')
    expect(JSON.parse(never.stderr).error).toMatchObject({
      code: 'CRON_INVALID',
      message: expect.stringContaining('it never fires'),
    })
    const zone = await next('--cron', '0 0 * * *', '--tz', 'Mars/Phobos')
    expect(zone.exitCode).toBe(65)
    expect(zone.stderr).toContain('TIMEZONE_INVALID')
  })
})
