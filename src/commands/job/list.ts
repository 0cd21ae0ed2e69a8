import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { durationFlag } from '../../cli/flags/duration.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import { listFlags } from '../../cli/flags/list.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { jobColumns } from '../../cli/views/job.ts'
import { getAnalysis } from '../../core/analyses/index.ts'
import { jobJson, jobStatuses, listJobs, sweepLostExecutors } from '../../core/jobs/index.ts'

export default class JobList extends KilnCommand<typeof JobList> {
  static override summary = 'List jobs, newest first.'
  static override examples = [
    '<%= config.bin %> job list --status failed --limit 10',
    '<%= config.bin %> job list --long-running 30m --json',
    '<%= config.bin %> job list --analysis bird-strikes --since 24h -o name',
  ]
  static override flags = {
    ...listFlags,
    status: Flags.option({
      options: jobStatuses,
      multiple: true,
      description: 'only jobs of this status; may be repeated',
      helpValue: 'STATUS',
    })(),
    analysis: Flags.string({ description: 'only jobs of this analysis', helpValue: 'NAME' }),
    project: Flags.string({ description: 'only jobs of this project', helpValue: 'ID' }),
    since: instantFlag({ description: 'created since' }),
    until: instantFlag({ description: 'created before' }),
    'long-running': durationFlag({ description: 'running for longer than this' }),
  }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    await sweepLostExecutors(context.database.queries)
    const { limit, status, analysis, project, since, until, cursor } = this.flags
    const longRunning = this.flags['long-running']
    const found = analysis
      ? await getAnalysis(context, {
          idOrName: analysis,
          ...(project === undefined ? {} : { projectId: project }),
        })
      : undefined
    const { jobs, nextCursor } = await listJobs(context, {
      limit,
      ...(status ? { statuses: status } : {}),
      ...(found ? { analysisId: found.id } : {}),
      ...(project ? { projectId: project } : {}),
      ...(since ? { since } : {}),
      ...(until ? { until } : {}),
      ...(longRunning === undefined ? {} : { longRunningMs: longRunning }),
      ...(cursor ? { cursor } : {}),
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
