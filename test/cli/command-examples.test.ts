import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { ReferenceCommand } from '../../scripts/reference/command-pages.ts'
import { callsOf, problemsOf } from '../support/check-command-line.ts'

const root = path.resolve(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(path.join(root, 'oclif.manifest.json'), 'utf8')) as {
  commands: Record<string, ReferenceCommand>
}
const examples = Object.values(manifest.commands).flatMap((command) =>
  (command.examples ?? []).map((example) => [
    typeof example === 'string' ? example : example.command,
  ]),
)

test.each(examples)('%s: its command, flags and files exist', (line) => {
  const calls = callsOf(line, '<%= config.bin %>')
  expect(calls.length).toBeGreaterThan(0)
  for (const words of calls) {
    expect(problemsOf(words)).toEqual([])
    for (const word of words) {
      if (word.startsWith('examples/') && !word.includes('*')) {
        expect(existsSync(path.join(root, word)), word).toBe(true)
      }
    }
  }
})
