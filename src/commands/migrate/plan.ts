import { Flags } from '@oclif/core'
import { migrationsFlag } from '../../cli/flags/migrate.ts'
import { MigrateCommand } from '../../cli/migrate-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { planMigrations } from '../../core/migrate/index.ts'

export default class MigratePlan extends MigrateCommand<typeof MigratePlan> {
  static override summary = 'Print the SQL that migrate would run. Writes nothing.'
  static override description =
    'The output is a script for psql that also writes the ledger, for databases that are changed ' +
    'by hand.'
  static override examples = [
    '<%= config.bin %> migrate plan',
    '<%= config.bin %> migrate plan | psql -X -v ON_ERROR_STOP=1 "$DATABASE_URL"',
  ]
  static override exitCodeHelp = [
    [1, 'an applied file was changed, or the order is wrong'],
    [78, 'the schema is newer than this program'],
  ] as const
  static override flags = {
    ...migrationsFlag,
    to: Flags.string({ description: 'last version to apply', helpValue: 'VERSION' }),
    'allow-out-of-order': Flags.boolean({
      description: 'include versions below one that is applied',
    }),
  }

  protected async execute(): Promise<Output> {
    const plan = await planMigrations(await this.context(), {
      migrationsFolder: this.flags.migrations,
      to: this.flags.to,
      allowOutOfOrder: this.flags['allow-out-of-order'],
    })
    if (plan.length === 0) this.say('nothing to do: the schema is up to date')
    const items = plan.map(({ version, name, isTransactional, sql }) => ({
      version,
      name,
      is_transactional: isTransactional,
      sql,
    }))
    return {
      kind: 'value',
      json: JSON.stringify({ items, next_cursor: null }),
      text: plan.map(({ sql }) => sql).join('\n\n'),
      name: plan.map(({ version }) => version).join('\n'),
    }
  }
}
