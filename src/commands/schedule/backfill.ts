import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { backfillSchedule } from '../../core/schedules/index.ts'

export default class ScheduleBackfill extends KilnCommand<typeof ScheduleBackfill> {
  static override summary = 'Run the occurrences of a range that have had no run.'
  static override description =
    'Missed, skipped, or from before the schedule was set. Each runs once: a repetition makes no second job. The jobs have low priority and relative dates of their occurrence; the course of the schedule is not touched.'
  static override examples = [
    '<%= config.bin %> schedule backfill bird-strikes --from 7d --to 1d --dry-run',
    '<%= config.bin %> schedule backfill bird-strikes --from 30d --max 5000 --json',
  ]
  static override exitCodeHelp = [
    [64, 'more jobs than --max, or the analysis has several schedules'],
    [65, 'the analysis is disabled, or does not take the parameters'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = { schedule: scheduleArgument }
  static override flags = {
    project: scheduleProjectFlag,
    from: instantFlag({ description: 'begin of the range, inclusive', required: true }),
    to: instantFlag({ description: 'end of the range, exclusive (default now)' }),
    max: Flags.integer({
      description: 'refuse a range that would make more jobs',
      default: 1000,
      min: 1,
      max: 100_000,
      helpValue: 'N',
    }),
    'dry-run': Flags.boolean({ description: 'say what would run and change nothing' }),
  }

  protected async execute(): Promise<Output> {
    const { project: projectId, from, to, max, 'dry-run': dryRun } = this.flags
    const { schedule, items } = await backfillSchedule(await this.context(), {
      reference: this.args.schedule,
      projectId,
      from,
      until: to ?? new Date().toISOString(),
      max,
      dryRun,
    })
    const count = (outcome: string): number =>
      items.filter((item) => item.outcome === outcome).length
    const [jobs, existing] = [count(dryRun ? 'would_backfill' : 'backfilled'), count('exists')]
    this.say(`${jobs} ${dryRun ? 'would run' : 'queued'}, ${existing} had their run already`)
    return {
      kind: 'list',
      items: items.map(({ scheduledFor, outcome, jobId }) => ({
        scheduled_for: scheduledFor,
        outcome,
        job_id: jobId,
      })),
      columns: [
        field('scheduled for', 'scheduled_for'),
        field('outcome', 'outcome'),
        field('job', 'job_id'),
      ],
      nextCursor: null,
      summary: { schedule_id: schedule.id, dry_run: dryRun, jobs, existing },
      name: (item) => (item.outcome === 'backfilled' ? plainText(item.job_id) : ''),
    }
  }
}
