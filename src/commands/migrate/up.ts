import { Flags } from '@oclif/core'
import { migrateFlags } from '../../cli/flags/migrate.ts'
import { MigrateCommand } from '../../cli/migrate-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { appliedColumns, appliedJson } from '../../cli/views/migration.ts'
import { migrateUp } from '../../core/migrate/index.ts'

export default class MigrateUp extends MigrateCommand<typeof MigrateUp> {
  static override summary = 'Apply the migrations that are pending.'
  static override description =
    'Safe to repeat and to run on several machines at once: one applies, the others wait. A ' +
    'migration that fails or is interrupted leaves nothing behind.'
  static override examples = [
    '<%= config.bin %> migrate',
    '<%= config.bin %> migrate up --to 0004 --lock-timeout 5m',
  ]
  static override exitCodeHelp = [
    [1, 'a migration failed, or an applied file was changed'],
    [65, 'a migration file is not valid'],
    [78, 'the schema is newer than this program'],
    [130, 'interrupted; the running migration was rolled back'],
  ] as const
  static override flags = {
    ...migrateFlags,
    to: Flags.string({ description: 'last version to apply', helpValue: 'VERSION' }),
    'allow-out-of-order': Flags.boolean({
      description: 'apply versions below one that is applied',
    }),
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    const applied = await migrateUp(await this.context(), {
      migrationsFolder: this.flags.migrations,
      lockTimeoutMs: this.flags['lock-timeout'],
      to: this.flags.to,
      allowOutOfOrder: this.flags['allow-out-of-order'],
      onProgress: (event) => this.report(event),
    })
    return {
      kind: 'list',
      items: applied.map(appliedJson),
      columns: appliedColumns,
      name: (item) => plainText(item.version),
      empty: 'nothing to do: the schema is up to date',
    }
  }
}
