import { existsSync } from 'node:fs'
import path from 'node:path'

export interface FoundCommand {
  /** Its words, joined by colons. */
  readonly id: string
  readonly file: string
  /** What follows its words. */
  readonly rest: readonly string[]
}

/** Ids are folders and files, and nothing that leads elsewhere. */
const commandWord = /^[a-z][a-z-]*$/

/**
 * The command with the most words that a command line begins with, by the files of the build, which
 * stand where oclif's `pattern` strategy looks for them. Undefined for everything that oclif has to
 * look at: groups, mistyped words, other ways of writing an id.
 */
export function findCommand(argv: readonly string[], root: string): FoundCommand | undefined {
  const commands = path.join(root, 'dist/commands')
  let found: FoundCommand | undefined
  for (let length = 1; length <= argv.length; length += 1) {
    const words = argv.slice(0, length)
    if (!commandWord.test(words.at(-1) ?? '') || words.at(-1) === 'index') break
    const base = path.join(commands, ...words)
    const file = [`${base}.js`, path.join(base, 'index.js')].find((name) => existsSync(name))
    if (file !== undefined) found = { id: words.join(':'), file, rest: argv.slice(length) }
    else if (!existsSync(base)) break
  }
  return found
}
