import { Flags } from '@oclif/core'
import { KilnError } from '../../core/errors/index.ts'
import { parseSize } from '../../core/units/index.ts'

/** A flag such as `--memory 16GB`, in bytes. */
export const sizeFlag = Flags.custom<number>({
  helpValue: 'SIZE',
  parse: async (text) => {
    const bytes = parseSize(text)
    if (bytes !== undefined && bytes > 0) return bytes
    throw new KilnError('USAGE', `${JSON.stringify(text)} is not a size`, {
      hint: 'write it as 512MB or 16GB',
    })
  },
})
