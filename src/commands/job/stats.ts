import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import type { Output } from '../../cli/output/output.ts'
import { getAnalysis } from '../../core/analyses/index.ts'
import { jobStatistics } from '../../core/jobs/index.ts'
import { formatDuration } from '../../core/units/index.ts'

export default class JobStats extends KilnCommand<typeof JobStats> {
  static override summary = 'Count jobs by status, with success rate, durations and waits.'
  static override examples = [
    '<%= config.bin %> job stats --since 1h',
    '<%= config.bin %> job stats --since 7d --analysis bird-strikes --json',
  ]
  static override exitCodeHelp = [[66, 'there is no such analysis']] as const
  static override flags = {
    since: instantFlag({ description: 'jobs created since (default 24h)' }),
    analysis: Flags.string({ description: 'only jobs of this analysis', helpValue: 'NAME' }),
    project: Flags.string({ description: 'only jobs of this project', helpValue: 'ID' }),
  }

  protected async execute(): Promise<Output> {
    const { analysis, project } = this.flags
    const context = await this.contextAfterSweep()
    const since = this.flags.since ?? new Date(Date.now() - 86_400_000).toISOString()
    const found = analysis
      ? await getAnalysis(context, {
          idOrName: analysis,
          ...(project === undefined ? {} : { projectId: project }),
        })
      : undefined
    const stats = await jobStatistics(context.database.queries, {
      since,
      analysisId: found?.id,
      projectId: project,
    })
    const { total, pending, waiting, running, completed, failed, cancelled } = stats
    return {
      kind: 'record',
      name: String(total),
      record: {
        since,
        total,
        by_status: { pending, running, completed, failed, cancelled },
        success_rate: stats.successRate,
        duration_p50_ms: stats.durationP50Ms,
        duration_p95_ms: stats.durationP95Ms,
        wait_p50_ms: stats.waitP50Ms,
        wait_p95_ms: stats.waitP95Ms,
        waiting,
      },
      fields: [
        ['since', since],
        ['total', String(total)],
        [
          'pending',
          waiting > 0 ? `${pending}, ${waiting} of them waiting for a limit` : String(pending),
        ],
        ['running', String(running)],
        ['completed', String(completed)],
        ['failed', String(failed)],
        ['cancelled', String(cancelled)],
        [
          'success rate',
          stats.successRate === null ? '-' : `${(100 * stats.successRate).toFixed(1)} %`,
        ],
        ['duration p50', time(stats.durationP50Ms)],
        ['duration p95', time(stats.durationP95Ms)],
        ['wait p50', time(stats.waitP50Ms)],
        ['wait p95', time(stats.waitP95Ms)],
      ],
    }
  }
}

const time = (ms: number | null): string => (ms === null ? '-' : formatDuration(ms))
