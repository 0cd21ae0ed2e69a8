import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { projectRecord } from '../../cli/views/project.ts'
import { getProject } from '../../core/jobs/index.ts'

export default class ProjectShow extends KilnCommand<typeof ProjectShow> {
  static override summary = 'Show one project: its limit, and how many jobs run and wait.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> project show shop',
    '<%= config.bin %> project show shop --json',
  ]
  static override exitCodeHelp = [[66, 'there is no such project']] as const
  static override args = { id: requiredArgument({ description: 'id of the project' }) }

  protected async execute(): Promise<Output> {
    const context = await this.contextAfterSweep()
    return projectRecord(await getProject(context, this.args.id))
  }
}
