import { Flags } from '@oclif/core'
import { KilnError } from '../../core/errors/index.ts'
import { parseDuration } from '../../core/units/index.ts'

/** Longer is a mistake, and Postgres knows no instant so far away. */
export const longestMs = 36_500 * 86_400_000

/** A flag such as `--timeout 10m`, in milliseconds; a bare number counts in seconds. */
export const durationFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: async (text) => readDuration(text),
})

/**
 * The same for what is deleted or cancelled by its age: a bare number is refused, since who writes
 * `--older-than 30` means days, as the settings count.
 */
export const ageFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: async (text) => {
    if (!/^\s*[\d.]+\s*$/.test(text)) return readDuration(text)
    throw new KilnError('USAGE', `${JSON.stringify(text)} has no unit`, {
      hint: 'write it as 30d or 12h',
    })
  },
})

function readDuration(text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined && ms > longestMs) {
    throw new KilnError('USAGE', `${JSON.stringify(text)} is longer than 100 years`)
  }
  if (ms !== undefined && ms > 0) return ms
  throw new KilnError('USAGE', `${JSON.stringify(text)} is not a duration`, {
    hint: 'write it as 30s, 10m or 1h30m',
  })
}
