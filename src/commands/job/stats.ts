import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import type { Output } from '../../cli/output/output.ts'
import { dailyFiguresList, statisticsRecord } from '../../cli/views/job-statistics.ts'
import { getAnalysis } from '../../core/analyses/index.ts'
import { jobStatistics, listDailyFigures } from '../../core/jobs/index.ts'

export default class JobStats extends KilnCommand<typeof JobStats> {
  static override summary = 'Count jobs by status, with success rate, durations and waits.'
  static override readsOnly = true
  static override description =
    'With --daily one row for each day and analysis, up to yesterday, as the system schedule of AGGREGATION_SCHEDULE took them: also of jobs that cleanup has deleted.'
  static override examples = [
    '<%= config.bin %> job stats --since 1h',
    '<%= config.bin %> job stats --since 7d --analysis bird-strikes --json',
    '<%= config.bin %> job stats --daily --since 365d',
  ]
  static override exitCodeHelp = [[66, 'there is no such analysis']] as const
  static override flags = {
    since: instantFlag({ description: 'jobs created since (default 24h; with --daily all)' }),
    daily: Flags.boolean({ description: 'a row for each day and analysis' }),
    limit: Flags.integer({
      description: 'with --daily: most items of a page (default 50)',
      min: 1,
      max: 1000,
      helpValue: 'N',
      dependsOn: ['daily'],
    }),
    cursor: Flags.string({
      description: 'with --daily: next_cursor of the page before',
      helpValue: 'CURSOR',
      dependsOn: ['daily'],
    }),
    analysis: Flags.string({ description: 'only jobs of this analysis', helpValue: 'NAME' }),
    project: Flags.string({ description: 'only jobs of this project', helpValue: 'ID' }),
  }

  protected async execute(): Promise<Output> {
    const { analysis, project, daily, limit = 50, cursor } = this.flags
    const context = await this.contextAfterSweep()
    const found = analysis
      ? await getAnalysis(context, {
          idOrName: analysis,
          ...(project === undefined ? {} : { projectId: project }),
        })
      : undefined
    const filter = { analysisId: found?.id, projectId: project }
    if (daily) {
      const { since } = this.flags
      return dailyFiguresList(await listDailyFigures(context, { ...filter, since, limit, cursor }))
    }
    const since = this.flags.since ?? new Date(Date.now() - 86_400_000).toISOString()
    const stats = await jobStatistics(context.database.queries, { ...filter, since })
    return statisticsRecord(stats, since)
  }
}
