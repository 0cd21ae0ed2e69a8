import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { durationFlag } from '../../cli/flags/duration.ts'
import { checkPeriod, instantFlag } from '../../cli/flags/instant.ts'
import { listFlags } from '../../cli/flags/list.ts'
import type { Output } from '../../cli/output/output.ts'
import { redrawn } from '../../cli/output/redraw.ts'
import { render } from '../../cli/output/render.ts'
import { jobList } from '../../cli/views/job-list.ts'
import { getAnalysis } from '../../core/analyses/index.ts'
import type { Context } from '../../core/context.ts'
import { type JobFilter, jobStatuses, listJobs, watchJobs } from '../../core/jobs/index.ts'
import { formatDuration } from '../../core/units/index.ts'

export default class JobList extends KilnCommand<typeof JobList> {
  static override summary = 'List jobs, newest first.'
  static override readsOnly = true
  static override exitCodeHelp = [
    [66, 'there is no such analysis'],
    [130, 'interrupted, which is how --watch ends'],
  ] as const
  static override examples = [
    '<%= config.bin %> job list --status failed --limit 10',
    '<%= config.bin %> job list --long-running 30m --json',
    '<%= config.bin %> job list --analysis bird-strikes --since 24h -o name',
    '<%= config.bin %> job list --status running --watch',
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
    watch: Flags.boolean({
      char: 'w',
      description: 'look again and again: a table on a terminal, else a line of JSON a change',
      exclusive: ['cursor'],
    }),
    interval: durationFlag({
      description: 'time between two looks of --watch (default 2s)',
      dependsOn: ['watch'],
    }),
  }

  protected async execute(): Promise<Output | void> {
    const context = await this.contextAfterSweep()
    const filter = await this.filter(context)
    if (this.flags.watch) return this.watch(context, filter)
    const { jobs, nextCursor } = await listJobs(context, filter)
    return jobList(jobs, nextCursor)
  }

  private async filter(context: Context): Promise<JobFilter> {
    const { limit, status, analysis, project, since, until, cursor } = this.flags
    checkPeriod(since, until)
    const longRunning = this.flags['long-running']
    const found = analysis
      ? await getAnalysis(context, { idOrName: analysis, projectId: project })
      : undefined
    return {
      limit,
      ...(status ? { statuses: status } : {}),
      ...(found ? { analysisId: found.id } : {}),
      ...(project ? { projectId: project } : {}),
      ...(since ? { since } : {}),
      ...(until ? { until } : {}),
      ...(longRunning === undefined ? {} : { longRunningMs: longRunning }),
      ...(cursor ? { cursor } : {}),
    }
  }

  /** Draws the list anew on a terminal; programs get the jobs that changed. */
  private async watch(context: Context, filter: JobFilter): Promise<void> {
    const intervalMs = this.flags.interval ?? 2000
    const format = this.outputFormat
    const isTable = format === 'table' || format === 'wide'
    const isDrawn = isTable && process.stdout.isTTY
    const stream = this.openListStream(isTable ? 'jsonl' : format)
    const { onAway } = this
    for await (const { jobs, changed } of watchJobs(context, filter, intervalMs, { onAway })) {
      if (!isDrawn) {
        stream.write(jobList(changed, null))
        continue
      }
      const table = render(jobList(jobs, null), format)
      const now = new Date(context.clock.now()).toISOString()
      const head = `${now}  every ${formatDuration(intervalMs)}, Ctrl-C ends`
      process.stdout.write(redrawn(`${head}\n\n${table || 'no jobs'}`, process.stdout))
    }
  }
}
