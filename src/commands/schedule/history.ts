import { KilnCommand } from '../../cli/base-command.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import { listFlags } from '../../cli/flags/list.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { occurrenceList } from '../../cli/views/occurrence-record.ts'
import { getSchedule, listOccurrences } from '../../core/schedules/index.ts'

export default class ScheduleHistory extends KilnCommand<typeof ScheduleHistory> {
  static override summary = 'Show what became of the occurrences of a schedule, and of their jobs.'
  static override readsOnly = true
  static override description =
    'Decisions: fired; skipped, because an earlier run had not ended or the analysis is disabled; missed, because nobody fired it in time; backfilled. missed_count says how many occurrences one stands for.'
  static override examples = [
    '<%= config.bin %> schedule history bird-strikes',
    '<%= config.bin %> schedule history bird-strikes --since 7d --json',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = { schedule: scheduleArgument }
  static override flags = {
    ...listFlags,
    project: scheduleProjectFlag,
    since: instantFlag({ description: 'scheduled since' }),
  }

  protected async execute(): Promise<Output> {
    const { project: projectId, since, limit, cursor } = this.flags
    const context = await this.context()
    const { id } = await getSchedule(context, { reference: this.args.schedule, projectId })
    const { occurrences, nextCursor } = await listOccurrences(context, {
      scheduleId: id,
      onlyMissed: false,
      since,
      limit,
      cursor,
    })
    return occurrenceList(occurrences, { nextCursor, named: false, empty: 'nothing was due yet' })
  }
}
