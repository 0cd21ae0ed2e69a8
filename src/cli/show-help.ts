import type { Config } from '@oclif/core/config'
import type { Writable } from 'node:stream'

/** Prints the help of a command, a group, or all, on the given stream. */
export async function showHelp(config: Config, words: string[], stream: Writable): Promise<void> {
  // Only help needs the help classes; they would cost every command their loading.
  const { KilnHelp } = await import('./help.ts')
  const help = new KilnHelp(config, { stream })
  await help.showHelp(words)
}
