import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { occurrenceColumns, occurrenceJson } from '../../cli/views/occurrence.ts'
import { explainRule, previewOccurrences } from '../../core/cron/index.ts'

export default class ScheduleNext extends KilnCommand<typeof ScheduleNext> {
  static override summary = 'Show when a cron rule fires next, in UTC and in its time zone.'
  static override description =
    'Marks what the time zone changes: moved, because the time does not exist that day; doubled, because it comes twice. See docs/schedules.md. Needs no database.'
  static override examples = [
    '<%= config.bin %> schedule next --cron "30 2 * * *" --tz Europe/Berlin -n 5',
    '<%= config.bin %> schedule next --cron "0 9 * * MON-FRI" --tz America/New_York --from 2026-03-06 --json',
  ]
  static override exitCodeHelp = [
    [65, 'the rule cannot be read or never fires, or there is no such time zone'],
  ] as const
  static override flags = {
    cron: Flags.string({ description: 'the rule', required: true, helpValue: 'RULE' }),
    tz: Flags.string({
      description: 'time zone of the rule, such as Europe/Berlin',
      default: 'UTC',
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
    const { cron, tz: timezone, from, count } = this.flags
    const afterMs = from === undefined ? Date.now() : Date.parse(from)
    const occurrences = previewOccurrences({ cron, timezone, afterMs, count })
    const { description } = explainRule({ cron, timezone, fromMs: afterMs })
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
}
