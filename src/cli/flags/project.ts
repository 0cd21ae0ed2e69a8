import { Flags } from '@oclif/core'

/** The project that something belongs to; most installations have one. */
export const ownerFlag = (description: string) =>
  Flags.string({ description, default: 'default', helpValue: 'ID' })
