import { KilnCommand } from '../../cli/base-command.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { deleteSchedule } from '../../core/schedules/index.ts'

export default class ScheduleDelete extends KilnCommand<typeof ScheduleDelete> {
  static override summary = 'Delete a schedule and the history of its occurrences; its jobs stay.'
  static override examples = [
    '<%= config.bin %> schedule delete bird-strikes',
    '<%= config.bin %> schedule delete 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 --quiet',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = { schedule: scheduleArgument }
  static override flags = { project: scheduleProjectFlag }

  protected async execute(): Promise<Output> {
    const { id, analysisName } = await deleteSchedule(await this.context(), {
      reference: this.args.schedule,
      projectId: this.flags.project,
    })
    return {
      kind: 'record',
      record: { id, analysis_name: analysisName, deleted: true },
      text: `deleted ${id}`,
      name: id,
    }
  }
}
