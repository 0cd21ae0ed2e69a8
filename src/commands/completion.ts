import { KilnCommand } from '../cli/base-command.ts'
import { bashCompletion } from '../cli/completion/bash.ts'
import { fishCompletion } from '../cli/completion/fish.ts'
import { commandSpecs } from '../cli/completion/spec.ts'
import { zshCompletion } from '../cli/completion/zsh.ts'
import { requiredArgument } from '../cli/flags/argument.ts'
import type { Output } from '../cli/output/output.ts'
import { KilnError } from '../core/errors/index.ts'

const writers = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const
const shells = ['bash', 'zsh', 'fish'] as const

export default class Completion extends KilnCommand<typeof Completion> {
  static override summary = 'Print a script that completes command lines of kiln in a shell.'
  static override description =
    'Completes commands, flags and their values; names of analyses and schedules and ids of jobs are asked of the database that commands use.'
  static override examples = [
    'source <(<%= config.bin %> completion bash)',
    '<%= config.bin %> completion zsh > ~/.zfunc/_kiln',
    '<%= config.bin %> completion fish > ~/.config/fish/completions/kiln.fish',
  ]
  static override args = {
    shell: requiredArgument({ description: 'bash, zsh or fish' }),
  }

  protected async execute(): Promise<Output> {
    const shell = shells.find((one) => one === this.args.shell)
    if (!shell) {
      throw new KilnError(
        'USAGE',
        `there is no completion for ${JSON.stringify(this.args.shell)}`,
        {
          hint: `name one of: ${shells.join(', ')}`,
        },
      )
    }
    const script = writers[shell](commandSpecs())
    // The script itself, byte for byte: nothing in it is anybody's data.
    return {
      kind: 'value',
      json: JSON.stringify({ shell, script }),
      text: script.trimEnd(),
      name: shell,
    }
  }
}
