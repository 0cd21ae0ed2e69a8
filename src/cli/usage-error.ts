import { KilnError, isKilnError, messageOf } from '../core/errors/index.ts'

/**
 * Turns a parse error of oclif into ours. Only its message is used: the error object itself holds
 * the whole configuration, environment included.
 */
export function usageError(error: unknown, commandId: string): KilnError {
  if (isKilnError(error)) return error
  const command = commandId.replaceAll(':', ' ')
  const lines = messageOf(error)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('See more help'))
  return new KilnError(
    'USAGE',
    (lines.join('; ') || 'the command line is wrong').replace(/^\w/, lowerCase),
    {
      hint: `run: kiln ${command} --help`,
    },
  )
}

const lowerCase = (letter: string): string => letter.toLowerCase()
