import { Flags } from '@oclif/core'
import { optionalArgument } from '../../cli/flags/argument.ts'
import { migrateFlags } from '../../cli/flags/migrate.ts'
import { MigrateCommand } from '../../cli/migrate-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { KilnError } from '../../core/errors/index.ts'
import { repairMigrations } from '../../core/migrate/index.ts'

export default class MigrateRepair extends MigrateCommand<typeof MigrateRepair> {
  static override summary = 'Correct the ledger of migrations. Does not touch the schema.'
  static override examples = [
    '<%= config.bin %> migrate repair --accept-checksum 0003 --reason "comment corrected"',
    '<%= config.bin %> migrate repair --mark reverted 0007 --reason "index dropped by hand"',
  ]
  static override exitCodeHelp = [[66, 'there is no such version']] as const
  static override args = {
    version: optionalArgument({ description: 'version to mark' }),
  }
  static override flags = {
    ...migrateFlags,
    'accept-checksum': Flags.string({
      description: 'the changed file of this version is what was applied',
      helpValue: 'VERSION',
      exactlyOne: ['accept-checksum', 'mark'],
    }),
    mark: Flags.option({
      options: ['applied', 'reverted'] as const,
      description: 'what holds of VERSION in truth',
      helpValue: 'STATE',
    })(),
    reason: Flags.string({
      description: 'why, for the audit log',
      helpValue: 'TEXT',
      required: true,
    }),
  }

  protected async execute(): Promise<Output> {
    const { mark } = this.flags
    const version = mark ? this.args.version : this.flags['accept-checksum']
    if (version === undefined || (!mark && this.args.version !== undefined)) {
      throw new KilnError('USAGE', 'name one version', {
        hint: 'run: kiln migrate repair --help',
      })
    }
    const result = await repairMigrations(await this.context(), {
      version,
      repair: mark ?? 'accept-checksum',
      reason: this.flags.reason,
      migrationsFolder: this.flags.migrations,
      lockTimeoutMs: this.flags['lock-timeout'],
    })
    if (!result.isAudited) this.warn('there is no audit log in this database: nothing was recorded')
    return {
      kind: 'record',
      record: {
        version: result.version,
        name: result.name,
        repair: mark ?? 'accept-checksum',
        is_audited: result.isAudited,
      },
      name: result.version,
    }
  }
}
