import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { optionalArgument } from '../../cli/flags/argument.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import { scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { occurrenceColumns, occurrenceJson } from '../../cli/views/occurrence.ts'
import { describeRule, parseRule, previewOccurrences } from '../../core/cron/index.ts'
import { KilnError } from '../../core/errors/index.ts'

export default class ScheduleNext extends KilnCommand<typeof ScheduleNext> {
  static override summary =
    'Show when a rule or a schedule fires next, in UTC and in its time zone.'
  static override readsOnly = true
  static override description =
    'Marks what the time zone changes: moved, because the time does not exist that day; doubled, because it comes twice. See docs/schedules.md. With --cron it needs no database.'
  static override examples = [
    '<%= config.bin %> schedule next bird-strikes',
    '<%= config.bin %> schedule next --cron "30 2 * * *" --tz Europe/Berlin --count 5',
    '<%= config.bin %> schedule next --cron "30 2 * * *" --tz Europe/Berlin --from 2026-03-28',
  ]
  static override exitCodeHelp = [
    [65, 'the rule cannot be read or never fires, or there is no such time zone'],
    [66, 'there is no such schedule'],
  ] as const
  static override args = {
    schedule: optionalArgument({
      description: 'analysis that has one schedule, system:TASK, or the id of a schedule',
    }),
  }
  static override flags = {
    project: scheduleProjectFlag,
    cron: Flags.string({ description: 'a rule instead of a schedule', helpValue: 'RULE' }),
    tz: Flags.string({
      description: 'time zone of the rule, such as Europe/Berlin (default UTC)',
      dependsOn: ['cron'],
      helpValue: 'ZONE',
    }),
    from: instantFlag({ description: 'occurrences after this instant (default now)' }),
    count: Flags.integer({
      char: 'n',
      description: 'how many',
      default: 10,
      min: 1,
      max: 10_000,
      helpValue: 'N',
    }),
  }

  protected async execute(): Promise<Output> {
    const { from, count } = this.flags
    const { cron, timezone } = await this.rule()
    const afterMs = from === undefined ? Date.now() : Date.parse(from)
    const occurrences = previewOccurrences({ cron, timezone, afterMs, count })
    const description = describeRule(parseRule(cron))
    if (!this.isJson) this.say(`${description} (${timezone})`)
    return {
      kind: 'list',
      items: occurrences.map(occurrenceJson),
      columns: occurrenceColumns,
      nextCursor: null,
      summary: { cron, timezone, description },
      name: (item) => plainText(item.utc),
    }
  }

  private async rule(): Promise<{ readonly cron: string; readonly timezone: string }> {
    const { cron, tz, project } = this.flags
    const reference = this.args.schedule
    if (cron !== undefined && reference === undefined) return { cron, timezone: tz ?? 'UTC' }
    if (cron !== undefined || reference === undefined) {
      throw new KilnError('USAGE', 'give either a schedule or --cron', {
        hint: 'run: kiln schedule next --cron "0 6 * * *" --tz Europe/Berlin',
      })
    }
    const context = await this.context()
    const { getSchedule } = await import('../../core/schedules/index.ts')
    const schedule = await getSchedule(context, { reference, projectId: project })
    return { cron: schedule.cronExpression, timezone: schedule.timezone }
  }
}
