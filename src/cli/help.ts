import type { Config } from '@oclif/core/config'
import { Help } from '@oclif/core/help'
import type { Command } from '@oclif/core/command'
import type { Writable } from 'node:stream'
import { KilnError } from '../core/errors/index.ts'
import { KilnCommandHelp } from './command-help.ts'
import { suggestCommands } from './suggest-commands.ts'

/** Help at 80 columns, with exit codes and environment, on a stream of choice. */
export class KilnHelp extends Help {
  protected override CommandHelpClass = KilnCommandHelp
  private readonly stream: Writable

  constructor(config: Config, options: { readonly stream: Writable }) {
    super(config, {
      maxWidth: 80,
      stripAnsi: true,
      hideCommandSummaryInDescription: true,
      respectNoCacheDefault: true,
      flagSortOrder: 'none',
    })
    this.stream = options.stream
  }

  override async showHelp(words: string[]): Promise<void> {
    const path = words.filter((word) => !word.startsWith('-'))
    // The longest run of words that names something; the rest are arguments.
    for (let length = path.length; length > 0; length -= 1) {
      const id = path.slice(0, length).join(':')
      const command: Command.Loadable | undefined = this.config.findCommand(id)
      if (command) return this.showCommandHelp(command)
      const topic = this.config.findTopic(id)
      if (topic) return this.showTopicHelp(topic)
    }
    if (path.length > 0) {
      const typed = path.join(' ')
      const near = suggestCommands(typed, this.config.commandIDs)
      throw new KilnError('USAGE', `there is no command "${typed}"`, {
        hint: near.length > 0 ? `did you mean: kiln ${near.join(', kiln ')}` : 'run: kiln --help',
      })
    }
    return this.showRootHelp()
  }

  protected override log(...parts: string[]): void {
    this.stream.write(`${parts.join(' ')}\n`)
  }
}
