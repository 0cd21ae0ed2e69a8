import { availableParallelism } from 'node:os'
import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { sizeFlag } from '../../cli/flags/size.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { loadSettings, suggestSettings, suggestionLines } from '../../core/config/index.ts'
import { memoryLimitBytes } from '../../core/os/index.ts'

export default class ConfigSuggest extends KilnCommand<typeof ConfigSuggest> {
  static override summary = 'Suggest settings of Postgres and Kiln for the size of a machine.'
  static override description =
    'Prints ALTER SYSTEM lines that psql takes as they are, and limits for the environment and the unit as comments. Changes nothing. Uses no database.'
  static override examples = [
    '<%= config.bin %> config suggest',
    '<%= config.bin %> config suggest --memory 64GB --cores 16 --postgres-elsewhere',
    '<%= config.bin %> config suggest --json',
  ]
  static override flags = {
    memory: sizeFlag({
      description: 'memory of the machine (default: of this one or its container)',
    }),
    cores: Flags.integer({
      description: 'cores of the machine (default: of this one)',
      min: 1,
      max: 1024,
      helpValue: 'N',
    }),
    'postgres-elsewhere': Flags.boolean({
      description: 'Postgres and Kiln have such a machine each',
    }),
  }

  protected async execute(): Promise<Output> {
    const { memory, cores } = this.flags
    const machine = {
      cores: cores ?? availableParallelism(),
      memoryBytes: memory ?? memoryLimitBytes(),
      sandboxMemoryBytes: loadSettings().settings.sandboxMemoryBytes,
      hasPostgresElsewhere: Boolean(this.flags['postgres-elsewhere']),
    }
    const suggestions = suggestSettings(machine)
    return {
      kind: 'list',
      items: suggestions.map(({ target, name, value, reason }) => ({
        target,
        name,
        value,
        reason,
      })),
      columns: [
        field('target', 'target'),
        field('name', 'name'),
        field('value', 'value'),
        field('reason', 'reason'),
      ],
      lines: suggestionLines(suggestions, machine),
      nextCursor: null,
      summary: { cores: machine.cores, memory_bytes: machine.memoryBytes },
      name: (item) => plainText(item.name),
    }
  }
}
