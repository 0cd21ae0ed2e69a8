import { migrationsFlag } from '../../cli/flags/migrate.ts'
import { MigrateCommand } from '../../cli/migrate-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { exitCodes } from '../../core/errors/index.ts'
import { verifyMigrations } from '../../core/migrate/index.ts'

export default class MigrateVerify extends MigrateCommand<typeof MigrateVerify> {
  static override summary = 'Compare migration files, ledger and the schema as it is.'
  static override description =
    'Lists what is missing or different: tables, columns, indexes, constraints, triggers, ' +
    'functions. What you have added to the schema is no difference.'
  static override examples = [
    '<%= config.bin %> migrate verify',
    '<%= config.bin %> migrate verify --json',
  ]
  static override exitCodeHelp = [
    [1, 'something is missing, different or pending'],
    [78, 'the schema is newer than this program'],
  ] as const
  static override flags = { ...migrationsFlag }

  protected async execute(): Promise<Output> {
    const report = await verifyMigrations(await this.context(), {
      migrationsFolder: this.flags.migrations,
    })
    if (!report.isSchemaCompared) this.say('the schema itself was not compared')
    return {
      kind: 'list',
      items: report.findings.map(({ kind, object, message }) => ({ kind, object, message })),
      columns: [field('kind', 'kind'), field('finding', 'message')],
      name: (item) => plainText(item.object),
      empty: 'no differences',
      ...(report.error ? { error: report.error } : {}),
      ...(report.findings.length > 0 ? { exitCode: exitCodes.no } : {}),
    }
  }
}
