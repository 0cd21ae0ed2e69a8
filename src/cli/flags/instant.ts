import { Flags } from '@oclif/core'
import { KilnError } from '../../core/errors/index.ts'
import { parseDuration } from '../../core/units/index.ts'
import { longestMs } from './duration.ts'

/** A flag such as `--since 2h`, `--since 2026-11-22` or an RFC 3339 time; becomes RFC 3339 UTC. */
export const instantFlag = Flags.custom<string>({
  helpValue: 'TIME',
  parse: async (text) => {
    // Seconds, or a year? Whoever wrote it meant one of the two.
    const ms = /^\s*[\d.]+\s*$/.test(text) ? undefined : parseDuration(text)
    if (ms !== undefined && ms > longestMs) {
      throw new KilnError('USAGE', `${JSON.stringify(text)} is longer ago than 100 years`)
    }
    if (ms !== undefined) return new Date(Date.now() - ms).toISOString()
    // A day alone is its beginning in UTC, as everywhere in the output.
    const isTime = /^(?!0000)\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(
      text,
    )
    if (isTime && !Number.isNaN(Date.parse(text))) return new Date(text).toISOString()
    throw new KilnError('USAGE', `${JSON.stringify(text)} is no time`, {
      hint: 'write it as 2h or 7d (ago), 2026-11-22, or 2026-11-22T08:00:00Z',
    })
  },
})

/** @throws KilnError USAGE for an end before the beginning: nothing is in it, and it is a slip. */
export function checkPeriod(since: string | undefined, until: string | undefined): void {
  if (since === undefined || until === undefined || since < until) return
  throw new KilnError('USAGE', `--until ${until} is not after --since ${since}`, {
    hint: 'exchange them; a duration such as 2h is an instant so long ago',
  })
}
