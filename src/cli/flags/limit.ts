import { Flags } from '@oclif/core'
import { KilnError } from '../../core/errors/index.ts'

/** A flag such as `--max-concurrent 4`, or `none` for no limit. */
export const limitFlag = Flags.custom<number | 'none'>({
  helpValue: 'N|none',
  parse: async (text) => {
    if (text === 'none') return text
    if (/^[1-9]\d{0,5}$/.test(text)) return Number(text)
    throw new KilnError('USAGE', `${JSON.stringify(text)} is not a limit`, {
      hint: 'give a whole number of 1 to 999999, or none',
    })
  },
})
