import { type CleanupKind, cleanupKinds } from '../../core/cleanup/index.ts'
import { KilnError } from '../../core/errors/index.ts'
import { optionalArguments } from './argument.ts'

/** Kinds of things as an argument. */
export const kindArguments = optionalArguments({
  description: `only these: ${cleanupKinds.join(', ')}`,
})

/** @throws KilnError USAGE for one that is none. */
export function parseKinds(words: readonly string[] = []): CleanupKind[] {
  return words.map((word) => {
    const kind = cleanupKinds.find((one) => one === word)
    if (kind) return kind
    throw new KilnError('USAGE', `${JSON.stringify(word)} is nothing that cleanup knows`, {
      hint: `name some of: ${cleanupKinds.join(', ')}`,
    })
  })
}
