import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { migrationsFlag } from '../../cli/flags/migrate.ts'
import type { Output } from '../../cli/output/output.ts'
import { createMigration } from '../../core/migrate/index.ts'

export default class MigrateCreate extends KilnCommand<typeof MigrateCreate> {
  static override summary = 'Write a new, empty migration file with the next version.'
  static override examples = [
    '<%= config.bin %> migrate create add_job_labels',
    '<%= config.bin %> migrate create index_job_labels --no-transaction',
  ]
  static override exitCodeHelp = [[73, 'the file cannot be created']] as const
  static override args = {
    name: requiredArgument({ description: 'what the migration does, in a few words' }),
  }
  static override flags = {
    ...migrationsFlag,
    'no-transaction': Flags.boolean({
      description: 'for statements that refuse one, such as CREATE INDEX CONCURRENTLY',
    }),
  }

  protected async execute(): Promise<Output> {
    const { version, name, file } = await createMigration({
      name: this.args.name,
      isTransactional: !this.flags['no-transaction'],
      migrationsFolder: this.flags.migrations,
    })
    return { kind: 'record', record: { version, name, file }, text: file, name: file }
  }
}
