import { KilnCommand } from '../../cli/base-command.ts'
import type { Output } from '../../cli/output/output.ts'
import { otherServerRemark, statusFields, statusJson } from '../../cli/views/private-postgres.ts'
import { loadSettings } from '../../core/config/index.ts'
import { privatePostgresStatus } from '../../core/database/private-postgres/index.ts'
import { exitCodes } from '../../core/errors/index.ts'

export default class DbStatus extends KilnCommand<typeof DbStatus> {
  static override summary = 'Show whether the private Postgres runs, where it lies and its size.'
  static override examples = ['<%= config.bin %> db status', '<%= config.bin %> db status --json']
  static override exitCodeHelp = [[exitCodes.no, 'it does not run']] as const

  protected async execute(): Promise<Output> {
    const { settings } = loadSettings()
    if (settings.databaseUrl !== undefined) this.say(otherServerRemark)
    const status = await privatePostgresStatus({ dataDir: settings.dataDir })
    return {
      kind: 'record',
      record: statusJson(status),
      fields: statusFields(status),
      name: status.state,
      exitCode: status.state === 'running' ? exitCodes.ok : exitCodes.no,
    }
  }
}
