import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { waitFlag } from '../../cli/flags/wait.ts'
import type { Output } from '../../cli/output/output.ts'
import { projectDatabaseRecord } from '../../cli/views/project-database.ts'
import { projectDatabaseInfo } from '../../core/projects/index.ts'

export default class DuckdbInfo extends KilnCommand<typeof DuckdbInfo> {
  static override summary = `Show a project's database: its file, its tables, and who uses it.`
  static override description = `While a job writes it nothing can be read from it: then the tables are missing, and the output says why. With --wait it waits for the writer to end.`
  static override examples = [
    '<%= config.bin %> duckdb info shop',
    '<%= config.bin %> duckdb info shop --wait 1m --json',
  ]
  static override exitCodeHelp = [[66, 'there is no such project']] as const
  static override args = { project: requiredArgument({ description: 'id of the project' }) }
  static override flags = { wait: waitFlag() }

  protected async execute(): Promise<Output> {
    const context = await this.contextAfterSweep()
    const waitMs = this.flags.wait ?? 0
    return projectDatabaseRecord(await projectDatabaseInfo(context, this.args.project, { waitMs }))
  }
}
