import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { scheduleRecord } from '../../cli/views/schedule.ts'
import { enableSchedule } from '../../core/schedules/index.ts'

export default class ScheduleEnable extends KilnCommand<typeof ScheduleEnable> {
  static override summary = 'Let a schedule fire again.'
  static override description =
    'It goes on from now. With --catch-up its policy for missed runs decides on what passed while it was off.'
  static override examples = [
    '<%= config.bin %> schedule enable bird-strikes',
    '<%= config.bin %> schedule enable bird-strikes --catch-up',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [65, 'its rule cannot be followed'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = { schedule: scheduleArgument }
  static override flags = {
    project: scheduleProjectFlag,
    'catch-up': Flags.boolean({ description: 'decide on what passed while it was off' }),
  }

  protected async execute(): Promise<Output> {
    const schedule = await enableSchedule(
      await this.context(),
      { reference: this.args.schedule, projectId: this.flags.project },
      { catchUp: this.flags['catch-up'] },
    )
    return scheduleRecord(schedule)
  }
}
