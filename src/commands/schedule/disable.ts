import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { scheduleRecord } from '../../cli/views/schedule.ts'
import { disableSchedule } from '../../core/schedules/index.ts'

export default class ScheduleDisable extends KilnCommand<typeof ScheduleDisable> {
  static override summary = 'Keep a schedule from firing until it is enabled again.'
  static override description = 'Jobs that it has made go on.'
  static override examples = [
    '<%= config.bin %> schedule disable bird-strikes --reason "source is down until Monday"',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = { schedule: scheduleArgument }
  static override flags = {
    project: scheduleProjectFlag,
    reason: Flags.string({ description: 'why, for those who look later', helpValue: 'TEXT' }),
  }

  protected async execute(): Promise<Output> {
    const { project: projectId, reason } = this.flags
    const reference = { reference: this.args.schedule, projectId }
    return scheduleRecord(await disableSchedule(await this.context(), reference, { reason }))
  }
}
