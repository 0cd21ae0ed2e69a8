import { Args } from '@oclif/core'
import { KilnError } from '../../core/errors/index.ts'

interface ArgumentOptions {
  readonly description: string
}

/**
 * Positional arguments go through here. An argument that may be left out would otherwise read
 * standard input, and eat the rest of a `while read` loop.
 */
export const requiredArgument = (options: ArgumentOptions) =>
  Args.string({ ...options, required: true, ignoreStdin: true })

export const optionalArgument = (options: ArgumentOptions) =>
  Args.string({ ...options, required: false, ignoreStdin: true })

export const requiredArguments = (options: ArgumentOptions) =>
  Args.string({ ...options, required: true, multiple: true, ignoreStdin: true })

export const optionalArguments = (options: ArgumentOptions) =>
  Args.string({ ...options, required: false, multiple: true, ignoreStdin: true })

const versionNumber = Args.custom<number>({
  parse: async (text) => {
    // `3` or `v3`, as people say it.
    const match = /^v?([1-9]\d{0,8})$/.exec(text)
    if (match) return Number(match[1])
    throw new KilnError('USAGE', `${JSON.stringify(text)} is no number of a version`, {
      hint: 'run: kiln analysis versions NAME',
    })
  },
})

/** The number of a version of an analysis. */
export const requiredVersion = (options: ArgumentOptions) =>
  versionNumber({ ...options, required: true, ignoreStdin: true })

export const optionalVersion = (options: ArgumentOptions) =>
  versionNumber({ ...options, required: false, ignoreStdin: true })
