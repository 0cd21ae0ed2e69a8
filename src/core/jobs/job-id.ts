import { KilnError } from '../errors/index.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const isJobId = (text: string): boolean => uuid.test(text)

/**
 * The ids as the database writes them, each once. A command over many calls this first, so that a
 * slip in the last id is told before anything happens to the first.
 *
 * @throws KilnError USAGE for text that is no id.
 */
export function toJobIds(texts: readonly string[]): readonly string[] {
  return [...new Set(texts.map(toJobId))]
}

/** @throws KilnError USAGE for text that is no id. */
export function toJobId(text: string): string {
  if (isJobId(text)) return text.toLowerCase()
  throw new KilnError('USAGE', `${JSON.stringify(text)} is not a job id`, {
    hint: 'job ids are uuids: kiln job list shows them',
  })
}
