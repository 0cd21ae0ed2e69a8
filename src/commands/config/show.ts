import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { settingFlags } from '../../cli/setting-flags.ts'
import { showSettings } from '../../core/config/index.ts'

export default class ConfigShow extends KilnCommand<typeof ConfigShow> {
  static override summary = 'Show the settings in force; of secrets only that there are some.'
  static override description =
    'Flags win over the environment, that over NAME_FILE, then .env.<ENVIRONMENT>, .env, and the defaults. Uses no database.'
  static override examples = [
    '<%= config.bin %> config show',
    '<%= config.bin %> config show --sources',
    '<%= config.bin %> config show --json',
  ]
  static override flags = {
    sources: Flags.boolean({ description: 'say where each value comes from' }),
  }

  protected async execute(): Promise<Output> {
    const shown = showSettings({ flags: settingFlags(this.flags) })
    return {
      kind: 'list',
      items: shown.map(({ name, value, source, isSecret, description }) => ({
        name,
        value,
        source,
        secret: isSecret,
        description,
      })),
      columns: [
        field('name', 'name'),
        {
          header: 'value',
          text: (item) => shown.find(({ name }) => name === item.name)?.text ?? '',
        },
        field('source', 'source', !this.flags.sources),
        field('meaning', 'description', true),
      ],
      nextCursor: null,
      name: (item) => plainText(item.name),
    }
  }
}
