import { requiredArgument } from '../../cli/flags/argument.ts'
import { migrateFlags } from '../../cli/flags/migrate.ts'
import { MigrateCommand } from '../../cli/migrate-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { baselineMigrations } from '../../core/migrate/index.ts'

export default class MigrateBaseline extends MigrateCommand<typeof MigrateBaseline> {
  static override summary = 'Record migrations as applied without running them.'
  static override description =
    'For a database whose schema was made by other means, such as a dump without the ledger. ' +
    'Refused if the ledger has rows.'
  static override examples = [
    '<%= config.bin %> migrate baseline 0005 && <%= config.bin %> migrate verify',
  ]
  static override exitCodeHelp = [
    [65, 'migrations are recorded already'],
    [66, 'there is no such version'],
  ] as const
  static override args = {
    version: requiredArgument({ description: 'the last version that the schema has' }),
  }
  static override flags = { ...migrateFlags }

  protected async execute(): Promise<Output> {
    const versions = await baselineMigrations(await this.context(), {
      version: this.args.version,
      migrationsFolder: this.flags.migrations,
      lockTimeoutMs: this.flags['lock-timeout'],
    })
    this.say('recorded; kiln migrate verify compares the schema with them')
    return {
      kind: 'list',
      items: versions.map((version) => ({ version })),
      columns: [field('version', 'version')],
      name: (item) => plainText(item.version),
    }
  }
}
