import { Flags } from '@oclif/core'
import { migrationsFlag } from '../../cli/flags/migrate.ts'
import { MigrateCommand } from '../../cli/migrate-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { migrationColumns, migrationJson } from '../../cli/views/migration.ts'
import { migrationStatus } from '../../core/migrate/index.ts'
import { exitCodes } from '../../core/errors/index.ts'

export default class MigrateStatus extends MigrateCommand<typeof MigrateStatus> {
  static override summary = 'Show which migrations are applied.'
  static override examples = [
    '<%= config.bin %> migrate status',
    '<%= config.bin %> migrate status --check --quiet || <%= config.bin %> migrate',
  ]
  static override exitCodeHelp = [
    [1, 'an applied file was changed; with --check also: migrations are pending'],
    [78, 'the schema is newer than this program'],
  ] as const
  static override flags = {
    ...migrationsFlag,
    check: Flags.boolean({ description: 'exit 1 if migrations are pending' }),
  }

  protected async execute(): Promise<Output> {
    const report = await migrationStatus(await this.context(), {
      migrationsFolder: this.flags.migrations,
    })
    if (this.flags.check && report.hasPending) this.say('migrations are pending: run kiln migrate')
    const empty = report.migrations.filter(({ state }) => state === 'empty')
    for (const { migration } of empty) {
      this.say(`${migration?.fileName} holds no statement yet, which kiln migrate refuses`)
    }
    return {
      kind: 'list',
      items: report.migrations.map(migrationJson),
      columns: migrationColumns,
      name: (item) => plainText(item.version),
      empty: 'there are no migrations',
      ...(report.error ? { error: report.error } : {}),
      ...(this.flags.check && report.hasPending ? { exitCode: exitCodes.no } : {}),
    }
  }
}
