import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { limitFlag } from '../../cli/flags/limit.ts'
import type { Output } from '../../cli/output/output.ts'
import { projectRecord } from '../../cli/views/project.ts'
import { getProject, setProjectLimit } from '../../core/jobs/index.ts'

export default class ProjectSet extends KilnCommand<typeof ProjectSet> {
  static override summary = 'Set how many jobs of a project run at a time.'
  static override description = `Jobs beyond the limit wait, and job show says why. What runs goes on and counts. Analyses that jobs call by ctx.runAnalysis do not count: the job that called them does.`
  static override examples = [
    '<%= config.bin %> project set shop --max-concurrent 4',
    '<%= config.bin %> project set shop --max-concurrent none',
  ]
  static override exitCodeHelp = [[66, 'there is no such project']] as const
  static override args = { id: requiredArgument({ description: 'id of the project' }) }
  static override flags = {
    'max-concurrent': limitFlag({
      description: 'most jobs at a time, or none for no limit',
      required: true,
    }),
  }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    const limit = this.flags['max-concurrent']
    await setProjectLimit(context, this.args.id, limit === 'none' ? null : limit)
    return projectRecord(await getProject(context, this.args.id))
  }
}
