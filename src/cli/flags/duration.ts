import { Flags } from '@oclif/core'
import { KilnError } from '../../core/errors/index.ts'
import { parseDuration } from '../../core/units/index.ts'

/** A flag such as `--lock-timeout 10s`; milliseconds on our side. */
export const durationFlag = Flags.custom<number>({
  helpValue: 'DURATION',
  parse: async (text, _context, options) => {
    const milliseconds = parseDuration(text)
    if (milliseconds !== undefined) return milliseconds
    throw new KilnError('USAGE', `--${options.name}: "${text}" is not a duration`, {
      hint: 'write it like 500ms, 10s or 5m',
    })
  },
})
