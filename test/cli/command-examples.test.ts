import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { ReferenceCommand } from '../../scripts/reference/command-pages.ts'

const root = path.resolve(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(path.join(root, 'oclif.manifest.json'), 'utf8')) as {
  commands: Record<string, ReferenceCommand>
}
const examples = Object.values(manifest.commands).flatMap((command) =>
  (command.examples ?? []).map((example) => [
    typeof example === 'string' ? example : example.command,
  ]),
)

/** Words of each call of Kiln in a shell line, up to what another program gets. */
const callsOf = (line: string): string[][] =>
  line
    .split('<%= config.bin %>')
    .slice(1)
    .map((call) => (/^((?:"[^"]*"|'[^']*'|[^|&>)"'])*)/.exec(call)?.[1] ?? '').trim().split(/\s+/))

/** The longest run of words that is a command. */
function commandOf(words: readonly string[]): ReferenceCommand | undefined {
  return [3, 2, 1]
    .map((length) => manifest.commands[words.slice(0, length).join(':')])
    .find((command) => command !== undefined)
}

test.each(examples)('%s: its command, flags and files exist', (line) => {
  const calls = callsOf(line)
  expect(calls.length).toBeGreaterThan(0)
  for (const words of calls) {
    const command = commandOf(words)
    expect(command, words.join(' ')).toBeDefined()
    const flags = Object.values(command?.flags ?? {})
    const end = words.indexOf('--')
    for (const word of end < 0 ? words : words.slice(0, end)) {
      if (word.startsWith('--')) {
        expect(flags.map((flag) => `--${flag.name}`)).toContain(word.split('=')[0])
      } else if (/^-\w/.test(word)) {
        expect(flags.map((flag) => `-${flag.char}`)).toContain(word)
      } else if (word.startsWith('examples/') && !word.includes('*')) {
        expect(existsSync(path.join(root, word)), word).toBe(true)
      }
    }
  }
})
