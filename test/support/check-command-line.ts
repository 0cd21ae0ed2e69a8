import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { ReferenceCommand } from '../../scripts/reference/command-pages.ts'

const root = path.resolve(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(path.join(root, 'oclif.manifest.json'), 'utf8')) as {
  commands: Record<string, ReferenceCommand>
}

/** Words of each call of Kiln in a shell line, up to what another program gets. */
export const callsOf = (line: string, name: string | RegExp): string[][] =>
  line
    .split(name)
    .slice(1)
    .map((call) => (/^((?:"[^"]*"|'[^']*'|[^|&;>)"'#])*)/.exec(call)?.[1] ?? '').trim())
    .map((call) => call.split(/\s+/))

const commandOf = (words: readonly string[]): ReferenceCommand | undefined =>
  [3, 2, 1]
    .map((length) => manifest.commands[words.slice(0, length).join(':')])
    .find((one) => one !== undefined)

/** The flags without which the command does nothing. */
export const requiredOf = (words: readonly string[]): string[] =>
  Object.values(commandOf(words)?.flags ?? {})
    .filter((flag) => (flag as { readonly required?: boolean }).required)
    .map(({ name }) => `--${name}`)

/** What is wrong with the words after `kiln`: the command or its flags do not exist. */
export function problemsOf(words: readonly string[]): string[] {
  if (words[0]?.startsWith('--') || words[0] === 'help') return []
  const command = commandOf(words)
  if (!command) return [`no command: ${words.join(' ')}`]
  const flags = Object.values(command.flags)
  const known = [
    ...flags.map((flag) => `--${flag.name}`),
    ...flags.flatMap((flag) =>
      flag.type === 'boolean' && flag.allowNo ? `--no-${flag.name}` : [],
    ),
    ...flags.map((flag) => `-${flag.char ?? ''}`),
    '--help',
    '-h',
  ]
  const end = words.indexOf('--')
  return words
    .slice(0, end < 0 ? undefined : end)
    .filter((word) => /^-{1,2}[a-z]/.test(word) && !known.includes(word.split('=')[0] ?? ''))
    .map((word) => `kiln ${command.id.replaceAll(':', ' ')} has no ${word}`)
}
