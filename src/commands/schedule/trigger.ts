import { KilnCommand } from '../../cli/base-command.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { triggerSchedule } from '../../core/schedules/index.ts'

export default class ScheduleTrigger extends KilnCommand<typeof ScheduleTrigger> {
  static override summary = 'Queue a run of a schedule now, beside its occurrences.'
  static override description =
    'The run has the parameters of the schedule. It moves no occurrence, and counts as a run that others may meet. The task of a system schedule is run by the service that has its setting.'
  static override examples = [
    '<%= config.bin %> schedule trigger bird-strikes',
    '<%= config.bin %> schedule trigger bird-strikes -o name | xargs <%= config.bin %> job wait',
    '<%= config.bin %> schedule trigger system:statistics',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [65, 'the analysis is disabled, or does not take the parameters'],
    [66, 'there is no such schedule'],
    [75, 'a run of the system schedule has not ended, or no service has its setting'],
  ] as const
  static override args = { schedule: scheduleArgument }
  static override flags = { project: scheduleProjectFlag }

  protected async execute(): Promise<Output> {
    const { id, schedule } = await triggerSchedule(await this.context(), {
      reference: this.args.schedule,
      projectId: this.flags.project,
    })
    return {
      kind: 'record',
      record: {
        ...(schedule.task === null
          ? { job_id: id, analysis_name: schedule.analysisName }
          : { run_id: id, task: schedule.task }),
        schedule_id: schedule.id,
      },
      name: id,
    }
  }
}
