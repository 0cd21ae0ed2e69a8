import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { listFlags } from '../../cli/flags/list.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { jobColumns } from '../../cli/views/job.ts'
import { jobJson, jobStatuses, listJobs, sweepLostExecutors } from '../../core/jobs/index.ts'

export default class JobList extends KilnCommand<typeof JobList> {
  static override summary = 'List jobs, newest first.'
  static override examples = [
    '<%= config.bin %> job list --status failed --limit 10',
    '<%= config.bin %> job list --status running --json',
  ]
  static override flags = {
    ...listFlags,
    status: Flags.option({
      options: jobStatuses,
      multiple: true,
      description: 'only jobs of this status; may be repeated',
      helpValue: 'STATUS',
    })(),
    project: Flags.string({ description: 'only jobs of this project', helpValue: 'ID' }),
  }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    await sweepLostExecutors(context.database.queries)
    const { jobs, nextCursor } = await listJobs(context, {
      limit: this.flags.limit,
      ...(this.flags.status ? { statuses: this.flags.status } : {}),
      ...(this.flags.project ? { projectId: this.flags.project } : {}),
      ...(this.flags.cursor ? { cursor: this.flags.cursor } : {}),
    })
    return {
      kind: 'list',
      items: jobs.map(jobJson),
      columns: jobColumns,
      nextCursor,
      name: (job) => plainText(job.id),
      empty: 'no jobs',
    }
  }
}
