import { KilnError, isKilnError, messageOf } from '../core/errors/index.ts'

/** Lines of oclif that say nothing by themselves. */
const frames = /^(Parsing --|See more help|The following errors? occurred)/

/**
 * Turns a parse error of oclif into ours. Only its message is used: the error object itself holds
 * the whole configuration, environment included. Errors of our own flags come back with oclif's
 * words around their message.
 */
export function usageError(error: unknown, commandId: string): KilnError {
  const lines = messageOf(error)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !frames.test(line))
  const own = isKilnError(error) ? error : undefined
  return new KilnError(own?.code ?? 'USAGE', readable(lines), {
    hint: own?.hint ?? `run: kiln ${commandId.replaceAll(':', ' ')} --help`,
  })
}

function readable(lines: readonly string[]): string {
  const [first = 'the command line is wrong', ...rest] = lines
  // "Missing 2 required args:" and then a line each: name and description.
  if (/^Missing \d+ required args?:$/.test(first)) {
    const names = rest.map((line) => line.split(/\s+/)[0]?.toUpperCase())
    return `missing ${names.join(' and ')}`
  }
  return [first, ...rest].join('; ').replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase())
}
