import { KilnCommand } from '../../cli/base-command.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { triggerSchedule } from '../../core/schedules/index.ts'

export default class ScheduleTrigger extends KilnCommand<typeof ScheduleTrigger> {
  static override summary = 'Queue a run of a schedule now, beside its occurrences.'
  static override description =
    'The run has the parameters of the schedule. It moves no occurrence, and counts as a run that others may meet.'
  static override examples = [
    '<%= config.bin %> schedule trigger bird-strikes',
    '<%= config.bin %> schedule trigger bird-strikes -o name | xargs <%= config.bin %> job wait',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [65, 'the analysis is disabled, or does not take the parameters'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = { schedule: scheduleArgument }
  static override flags = { project: scheduleProjectFlag }

  protected async execute(): Promise<Output> {
    const { jobId, schedule } = await triggerSchedule(await this.context(), {
      reference: this.args.schedule,
      projectId: this.flags.project,
    })
    return {
      kind: 'record',
      record: { job_id: jobId, schedule_id: schedule.id, analysis_name: schedule.analysisName },
      name: jobId,
    }
  }
}
