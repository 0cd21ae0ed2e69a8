import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { durationFlag } from '../../cli/flags/duration.ts'
import { parameterFlags, readParameters } from '../../cli/flags/parameters.ts'
import { scheduleArgument, scheduleProjectFlag } from '../../cli/flags/schedule.ts'
import type { Output } from '../../cli/output/output.ts'
import { scheduleRecord } from '../../cli/views/schedule.ts'
import { missedPolicies, overlapPolicies, setSchedule } from '../../core/schedules/index.ts'

export default class ScheduleSet extends KilnCommand<typeof ScheduleSet> {
  static override summary = 'Set when an analysis runs: change its schedule, or make one.'
  static override description =
    'What is not given stays as it is. A rule has 5 fields, or 6 with leading seconds, or is a macro such as @daily. Warnings tell what may not be meant: see docs/schedules.md.'
  static override examples = [
    '<%= config.bin %> schedule set bird-strikes --cron "30 6 * * MON-FRI" --tz Europe/Berlin',
    '<%= config.bin %> schedule set bird-strikes --missed all --catch-up-window 3d',
    '<%= config.bin %> schedule set bird-strikes --add --cron "@weekly" --param top=20',
  ]
  static override exitCodeHelp = [
    [64, 'the analysis has several schedules: name one by its id'],
    [65, 'the rule or the parameters are refused, or the analysis is disabled'],
    [66, 'there is no such analysis'],
  ] as const
  static override args = { analysis: scheduleArgument }
  static override flags = {
    project: scheduleProjectFlag,
    cron: Flags.string({ description: 'the rule', helpValue: 'RULE' }),
    tz: Flags.string({
      description: 'time zone of the rule, such as Europe/Berlin (default UTC)',
      helpValue: 'ZONE',
    }),
    ...parameterFlags,
    missed: Flags.option({
      options: missedPolicies,
      description: 'runs that nobody started in time: one for all, none, or each (default once)',
      helpValue: 'POLICY',
    })(),
    overlap: Flags.option({
      options: overlapPolicies,
      description: 'what to do while an earlier run has not ended (default skip)',
      helpValue: 'POLICY',
    })(),
    'catch-up-window': durationFlag({
      description: 'missed runs older than this stay so (default 24h)',
    }),
    jitter: durationFlag({ description: 'start up to so much later, always by the same time' }),
    'pause-after-failures': Flags.integer({
      description: 'switch off after so many failed runs in a row; 0: never',
      min: 0,
      max: 1000,
      helpValue: 'N',
    }),
    disabled: Flags.boolean({ description: 'do not fire it yet' }),
    add: Flags.boolean({ description: 'another schedule beside those the analysis has' }),
  }

  protected async execute(): Promise<Output> {
    const { flags } = this
    const parameters = await readParameters(flags)
    const hasParameters = flags.param !== undefined || flags.params !== undefined
    const { schedule, isNew, warnings } = await setSchedule(await this.context(), {
      reference: this.args.analysis,
      projectId: flags.project,
      add: flags.add,
      changes: {
        cron: flags.cron,
        timezone: flags.tz,
        parameters: hasParameters ? (definition) => parameters.for(definition) : undefined,
        missedPolicy: flags.missed,
        overlapPolicy: flags.overlap,
        catchUpWindowMs: flags['catch-up-window'],
        jitterMs: flags.jitter,
        pauseAfterFailures: flags['pause-after-failures'],
        isEnabled: flags.disabled ? false : undefined,
      },
    })
    for (const { message } of warnings) this.warn(message)
    return scheduleRecord(schedule, {
      record: {
        is_new: isNew,
        warnings: warnings.map(({ code, message }) => ({ code, message })),
      },
    })
  }
}
