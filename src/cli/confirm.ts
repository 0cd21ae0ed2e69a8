import { createInterface } from 'node:readline/promises'
import { KilnError } from '../core/errors/index.ts'

/**
 * Asks a person whether to go on; anything but yes ends the command. Off a terminal nobody can be
 * asked, and a script that would wait for an answer for ever gets an error that says what to add.
 *
 * @throws KilnError CONFIRMATION_MISSING off a terminal, NOT_DONE for no.
 */
export async function confirm(what: string, signal: AbortSignal): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new KilnError('CONFIRMATION_MISSING', `${what} needs --yes`, {
      hint: 'look at what would go, then add --yes',
    })
  }
  // Not in raw mode, so that Ctrl-C is the signal that it is everywhere else.
  const asking = createInterface({ input: process.stdin, output: process.stderr, terminal: false })
  try {
    const answer = await asking.question(`${what}? [y/N] `, { signal })
    if (/^y(es)?$/i.test(answer.trim())) return
  } finally {
    asking.close()
  }
  throw new KilnError('NOT_DONE', 'not confirmed, nothing was done')
}
