import { Args } from '@oclif/core'

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
