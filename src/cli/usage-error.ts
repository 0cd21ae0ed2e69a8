import { KilnError, isKilnError, messageOf } from '../core/errors/index.ts'

/** Lines of oclif that say nothing by themselves. */
const frames = /^(Parsing --|See more help|The following errors? occurred|Note: |Alternatively, )/

/**
 * Turns a parse error of oclif into ours. Only its message is used: the error object itself holds
 * the whole configuration, environment included. Errors of our own flags come back with oclif's
 * words around their message.
 */
export function usageError(error: unknown, commandId: string): KilnError {
  const all = messageOf(error)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const lines = all.filter((line) => !frames.test(line))
  const own = isKilnError(error) ? error : undefined
  // The flag whose value was refused: its own words name the value only.
  const flag = /^Parsing (--\S+)/.exec(all[0] ?? '')?.[1]
  const message = flag === undefined ? readable(lines) : `${flag}: ${readable(lines)}`
  return new KilnError(own?.code ?? 'USAGE', message, {
    hint: own?.hint ?? `run: kiln ${commandId.replaceAll(':', ' ')} --help`,
  })
}

function readable(lines: readonly string[]): string {
  const [first = 'the command line is wrong', ...rest] = lines
  // "Missing 2 required args:" and then a line each: name and description; after them a note where a
  // flag may be repeated.
  const missing = /^Missing (\d+) required args?:$/.exec(first)
  if (missing) {
    const names = rest
      .slice(0, Number(missing[1]))
      .map((line) => line.split(/\s+/)[0]?.toUpperCase())
    return `missing ${names.join(' and ')}`
  }
  return [first, ...rest].map(inOwnWords).join('; ')
}

/** "--a=true cannot also be provided when using --b" is not what anybody would say. */
const inOwnWords = (line: string): string =>
  line
    .replace(
      /^(--[\w-]+)=.* cannot also be provided when using (--[\w-]+)/,
      '$1 and $2 exclude each other',
    )
    .replace(/^Missing required flag (?=[\w-]+$)/, 'missing --')
    .replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase())
