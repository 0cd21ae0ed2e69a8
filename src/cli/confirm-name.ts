import { createInterface } from 'node:readline/promises'
import { KilnError } from '../core/errors/index.ts'

export interface NameConfirmation {
  /** What the command is about to replace: `the database "kiln"`. */
  readonly what: string
  /** Any of these names it; the first is shown. */
  readonly names: readonly string[]
  /** Of `--confirm`. */
  readonly given: string | undefined
  readonly signal: AbortSignal
}

/**
 * Makes sure that who replaces data means this and no other. On a terminal the name is asked for; off
 * one it has to be given.
 *
 * @throws KilnError CONFIRMATION_MISSING off a terminal, USAGE for another name, NOT_DONE for a wrong
 * answer.
 */
export async function confirmName({ what, names, given, signal }: NameConfirmation): Promise<void> {
  const [name = ''] = names
  if (given !== undefined) {
    if (names.includes(given)) return
    throw new KilnError('USAGE', `--confirm names ${JSON.stringify(given)}, and this is ${what}`, {
      hint: `if you mean it, add --confirm ${name}`,
    })
  }
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new KilnError('CONFIRMATION_MISSING', `this replaces what is in ${what}`, {
      hint: `look at what it would do with --dry-run, then add --confirm ${name}`,
    })
  }
  // Not in raw mode, so that Ctrl-C is the signal that it is everywhere else.
  const asking = createInterface({ input: process.stdin, output: process.stderr, terminal: false })
  try {
    const question = `this replaces what is in ${what}; type its name to go on: `
    const answer = await asking.question(question, { signal })
    if (names.includes(answer.trim())) return
  } finally {
    asking.close()
  }
  throw new KilnError('NOT_DONE', 'not confirmed, nothing was done')
}
