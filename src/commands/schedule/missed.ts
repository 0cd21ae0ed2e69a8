import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { optionalArgument } from '../../cli/flags/argument.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import { listFlags } from '../../cli/flags/list.ts'
import type { Output } from '../../cli/output/output.ts'
import { occurrenceList } from '../../cli/views/occurrence-record.ts'
import { getSchedule, listOccurrences } from '../../core/schedules/index.ts'

export default class ScheduleMissed extends KilnCommand<typeof ScheduleMissed> {
  static override summary = 'Show occurrences that did not run, or not in time.'
  static override readsOnly = true
  static override description =
    'Of one schedule or of all. schedule backfill runs those that have had no run.'
  static override examples = [
    '<%= config.bin %> schedule missed --since 24h',
    '<%= config.bin %> schedule missed bird-strikes --json',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = {
    schedule: optionalArgument({
      description: 'analysis that has one schedule, system:TASK, or the id of a schedule',
    }),
  }
  static override flags = {
    ...listFlags,
    project: Flags.string({ description: 'only schedules of this project', helpValue: 'ID' }),
    since: instantFlag({ description: 'scheduled since (default 7d)' }),
  }

  protected async execute(): Promise<Output> {
    const { project: projectId, since, limit, cursor } = this.flags
    const reference = this.args.schedule
    const context = await this.context()
    const schedule = reference && (await getSchedule(context, { reference, projectId }))
    const { occurrences, nextCursor } = await listOccurrences(context, {
      scheduleId: schedule ? schedule.id : undefined,
      projectId,
      onlyMissed: true,
      since: since ?? new Date(Date.now() - 7 * 86_400_000).toISOString(),
      limit,
      cursor,
    })
    return occurrenceList(occurrences, { nextCursor, named: !schedule, empty: 'none was missed' })
  }
}
