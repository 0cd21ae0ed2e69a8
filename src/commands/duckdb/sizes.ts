import { KilnCommand } from '../../cli/base-command.ts'
import { optionalArgument } from '../../cli/flags/argument.ts'
import { waitFlag } from '../../cli/flags/wait.ts'
import type { Output } from '../../cli/output/output.ts'
import { databaseSizesList, tableSizesList } from '../../cli/views/project-database.ts'
import { KilnError } from '../../core/errors/index.ts'
import { listProjectDatabases, projectDatabaseInfo } from '../../core/projects/index.ts'

export default class DuckdbSizes extends KilnCommand<typeof DuckdbSizes> {
  static override summary = `List what the databases of projects take on disk, or the tables of one.`
  static override description = `Without a project: each file in this data folder, and its log. With one: its tables, largest first, with an estimate of their rows; blocks that several tables share count for each.`
  static override examples = [
    '<%= config.bin %> duckdb sizes',
    '<%= config.bin %> duckdb sizes shop --json',
  ]
  static override exitCodeHelp = [
    [66, 'there is no such project'],
    [75, 'a job writes the database (try again, or --wait)'],
  ] as const
  static override args = { project: optionalArgument({ description: 'id of the project' }) }
  static override flags = { wait: waitFlag() }

  protected async execute(): Promise<Output> {
    const { project } = this.args
    const context = await this.context()
    if (project === undefined) return databaseSizesList(await listProjectDatabases(context))
    const waitMs = this.flags.wait ?? 0
    const info = await projectDatabaseInfo(context, project, { waitMs })
    if (info.contents === null && info.sizeBytes !== null) {
      throw new KilnError('PROJECT_DATABASE_BUSY', info.unreadReason ?? 'it cannot be read now', {
        hint: 'wait for it with --wait, or look who has it: kiln duckdb info',
      })
    }
    return tableSizesList(info)
  }
}
