import { Flags } from '@oclif/core'

/** Flags of commands that list. */
export const listFlags = {
  limit: Flags.integer({
    description: 'most items of a page',
    default: 50,
    min: 1,
    max: 1000,
    helpValue: 'N',
  }),
  cursor: Flags.string({ description: 'next_cursor of the page before', helpValue: 'CURSOR' }),
}
