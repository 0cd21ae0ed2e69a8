import { KilnCommand } from '../../cli/base-command.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { scheduleRecord } from '../../cli/views/schedule.ts'
import { getSchedule, listTaskRuns, nextOccurrencesOf } from '../../core/schedules/index.ts'

export default class ScheduleShow extends KilnCommand<typeof ScheduleShow> {
  static override summary = 'Show a schedule: its rule, its policies, its next runs.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> schedule show bird-strikes',
    '<%= config.bin %> schedule show bird-strikes --json',
    '<%= config.bin %> schedule show system:statistics',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = { schedule: scheduleArgument }
  static override flags = { project: scheduleProjectFlag }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    const schedule = await getSchedule(context, {
      reference: this.args.schedule,
      projectId: this.flags.project,
    })
    return scheduleRecord(schedule, {
      next: nextOccurrencesOf(schedule, 5),
      runs: await listTaskRuns(context, schedule, 5),
    })
  }
}
