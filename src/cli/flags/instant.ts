import { Flags } from '@oclif/core'
import { KilnError } from '../../core/errors/index.ts'
import { parseDuration } from '../../core/units/index.ts'

/** A flag such as `--since 2h`, `--since 2026-11-22` or an RFC 3339 time; becomes RFC 3339 UTC. */
export const instantFlag = Flags.custom<string>({
  helpValue: 'TIME',
  parse: async (text) => {
    const ms = parseDuration(text)
    if (ms !== undefined) return new Date(Date.now() - ms).toISOString()
    // A day alone is its beginning in UTC, as everywhere in the output.
    const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
    if (isTime && !Number.isNaN(Date.parse(text))) return new Date(text).toISOString()
    throw new KilnError('USAGE', `${JSON.stringify(text)} is no time`, {
      hint: 'write it as 2h or 7d (ago), 2026-11-22, or 2026-11-22T08:00:00Z',
    })
  },
})
