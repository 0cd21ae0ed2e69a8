import { Config } from '@oclif/core/config'
import { normalizeArgv } from '@oclif/core/help'
import { KilnError } from '../core/errors/index.ts'
import type { CommandClass } from './base-command.ts'
import { showHelp } from './show-help.ts'
import { suggestCommands } from './suggest-commands.ts'

/**
 * What takes oclif's whole configuration, with the manifest of all commands: help, groups, mistyped
 * words, and commands whose words are written otherwise.
 */
export async function dispatchByOclif(
  words: readonly string[],
  asksHelp: boolean,
  root: string,
): Promise<void> {
  const config = await Config.load({ root })
  if (asksHelp) {
    await showHelp(
      config,
      words.filter((word) => word !== '--help' && word !== '-h'),
      process.stdout,
    )
    return
  }
  const [id = '', ...rest] = normalizeArgv(config, [...words])
  const command = config.findCommand(id)
  if (command) {
    const FoundClass = (await command.load()) as CommandClass
    await FoundClass.runWith(rest, config)
    return
  }
  // A topic alone, or nothing at all, is a mistake in a script: `kiln $COMMAND` with an empty
  // variable must not pass for success.
  if (id === '' || config.findTopic(id)) {
    await showHelp(config, id === '' ? [] : id.split(':'), process.stderr)
    throw new KilnError(
      'USAGE',
      id === '' ? 'no command given' : `"${id.replaceAll(':', ' ')}" is a group of commands`,
      {
        hint: 'name one of the commands above',
      },
    )
  }
  const named = words.slice(0, words.findIndex((word) => word.startsWith('-')) + 1 || undefined)
  for (let length = named.length; length > 0; length -= 1) {
    if (!config.findCommand(named.slice(0, length).join(':'))) continue
    const taken = named.slice(0, length).join(' ')
    throw new KilnError('USAGE', `"${taken}" takes no argument`, {
      hint: `run: kiln ${taken} --help`,
    })
  }
  // A URL in the wrong place is a usual slip, and may hold a password.
  const typed = words.map((word) => (word.includes('://') ? '***' : word)).join(' ')
  const suggestions = suggestCommands(typed, config.commandIDs)
  throw new KilnError('USAGE', `there is no command "${typed}"`, {
    hint:
      suggestions.length > 0
        ? `did you mean: kiln ${suggestions.join(', kiln ')}`
        : 'run: kiln --help',
  })
}
