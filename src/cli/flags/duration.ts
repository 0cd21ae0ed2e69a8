import { Flags } from '@oclif/core'
import { KilnError } from '../../core/errors/index.ts'
import { parseDuration } from '../../core/units/index.ts'

/** A flag such as `--timeout 10m`, in milliseconds; a bare number counts in seconds. */
export const durationFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: async (text) => {
    const ms = parseDuration(text)
    if (ms !== undefined && ms > 0) return ms
    throw new KilnError('USAGE', `${JSON.stringify(text)} is not a duration`, {
      hint: 'write it as 30s, 10m or 1h30m',
    })
  },
})
