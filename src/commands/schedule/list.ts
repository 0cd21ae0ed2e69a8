import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { listFlags } from '../../cli/flags/list.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { scheduleColumns, scheduleJson } from '../../cli/views/schedule.ts'
import { getAnalysis } from '../../core/analyses/index.ts'
import { listSchedules } from '../../core/schedules/index.ts'

export default class ScheduleList extends KilnCommand<typeof ScheduleList> {
  static override summary = 'List schedules by project and analysis, then those of Kiln itself.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> schedule list',
    '<%= config.bin %> schedule list --disabled -o name',
    '<%= config.bin %> schedule list --system',
  ]
  static override exitCodeHelp = [[66, 'there is no such analysis']] as const
  static override flags = {
    ...listFlags,
    analysis: Flags.string({ description: 'only schedules of this analysis', helpValue: 'NAME' }),
    project: Flags.string({ description: 'only schedules of this project', helpValue: 'ID' }),
    enabled: Flags.boolean({ description: 'only those that fire', exclusive: ['disabled'] }),
    disabled: Flags.boolean({ description: 'only those that are off' }),
    system: Flags.boolean({
      description: "only Kiln's own, which settings make",
      exclusive: ['analysis', 'project'],
    }),
  }

  protected async execute(): Promise<Output> {
    const { analysis, project: projectId, enabled, disabled, system, limit, cursor } = this.flags
    const context = await this.context()
    const found = analysis
      ? await getAnalysis(context, { idOrName: analysis, projectId })
      : undefined
    const { schedules, nextCursor } = await listSchedules(context, {
      analysisId: found?.id,
      projectId,
      onlySystem: system,
      isEnabled: enabled ? true : disabled ? false : undefined,
      limit,
      cursor,
    })
    return {
      kind: 'list',
      items: schedules.map(scheduleJson),
      columns: scheduleColumns,
      nextCursor,
      name: (schedule) => plainText(schedule.id),
      empty: 'no schedules',
    }
  }
}
