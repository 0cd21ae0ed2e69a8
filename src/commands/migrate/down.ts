import { Flags } from '@oclif/core'
import { migrateFlags } from '../../cli/flags/migrate.ts'
import { MigrateCommand } from '../../cli/migrate-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { appliedColumns, appliedJson } from '../../cli/views/migration.ts'
import { KilnError } from '../../core/errors/index.ts'
import { migrateDown } from '../../core/migrate/index.ts'

export default class MigrateDown extends MigrateCommand<typeof MigrateDown> {
  static override summary = 'Revert migrations, newest first. Deletes the data they hold.'
  static override examples = [
    '<%= config.bin %> migrate down --steps 1 --yes',
    '<%= config.bin %> migrate down --to 0004 --yes',
  ]
  static override exitCodeHelp = [
    [1, 'a migration failed, or an applied file was changed'],
    [65, 'a migration has no down part; nothing was reverted'],
    [66, 'there is no such version'],
  ] as const
  static override flags = {
    ...migrateFlags,
    steps: Flags.integer({
      description: 'how many to revert [default: 1]',
      min: 1,
      helpValue: 'N',
      exclusive: ['to'],
    }),
    to: Flags.string({
      description: 'version that stays the newest; 0 reverts all',
      helpValue: 'VERSION',
    }),
    yes: Flags.boolean({ description: 'confirm that data may be deleted' }),
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    if (!this.flags.yes) {
      throw new KilnError(
        'CONFIRMATION_MISSING',
        'reverting migrations deletes the tables and columns they made, with their data',
        { hint: 'make a backup, then add --yes' },
      )
    }
    const reverted = await migrateDown(await this.context(), {
      migrationsFolder: this.flags.migrations,
      lockTimeoutMs: this.flags['lock-timeout'],
      steps: this.flags.steps,
      to: this.flags.to,
      onProgress: (event) => this.report(event),
    })
    return {
      kind: 'list',
      items: reverted.map(appliedJson),
      columns: appliedColumns,
      name: (item) => plainText(item.version),
      empty: 'nothing to revert',
    }
  }
}
