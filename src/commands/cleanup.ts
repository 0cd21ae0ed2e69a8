import { Flags } from '@oclif/core'
import { KilnCommand } from '../cli/base-command.ts'
import { ageFlag, durationFlag } from '../cli/flags/duration.ts'
import { kindArguments, parseKinds } from '../cli/flags/cleanup.ts'
import type { Output } from '../cli/output/output.ts'
import { ProgressLines } from '../cli/output/progress-lines.ts'
import { cleanupOutput } from '../cli/views/cleanup.ts'
import { cleanUp } from '../core/cleanup/index.ts'

export default class Cleanup extends KilnCommand<typeof Cleanup> {
  static override summary = 'Delete old results, log lines and jobs, and files nobody names.'
  static override description =
    'Works in small batches that leave the queue its room; may be killed and repeated at any time. Touches nothing that has not ended, no project database and no backup. See docs/cleanup.md.'
  static override examples = [
    '<%= config.bin %> cleanup --dry-run',
    '<%= config.bin %> cleanup --older-than 30d --explain',
    '<%= config.bin %> cleanup results tmp --max-duration 10m --json',
  ]
  static override environmentHelp = [
    ['ANALYSIS_RESULT_RETENTION_DAYS', 'age at which results and log lines go (default 90)'],
    ['ANALYSIS_JOB_RETENTION_DAYS', 'age at which jobs go (default 365)'],
  ] as const
  static override exitCodeHelp = [
    [24, 'some of it could not be deleted, each is named'],
    [75, '--max-duration was over, or another cleanup has the locks'],
  ] as const
  static override strict = false
  static override args = { kind: kindArguments }
  static override flags = {
    'dry-run': Flags.boolean({ description: 'say what would go and why, and change nothing' }),
    'older-than': ageFlag({
      description: 'age of all rows that go, in place of the retention settings',
    }),
    'max-duration': durationFlag({ description: 'begin no batch after this' }),
    explain: Flags.boolean({ description: 'print the rule of each kind' }),
    'batch-size': Flags.integer({
      description: 'rows of one transaction (default 500)',
      min: 1,
      max: 10_000,
      helpValue: 'N',
    }),
  }

  /** Between two batches; what a batch has taken is committed. */
  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    const { flags } = this
    const kinds = parseKinds(this.args.kind)
    const dryRun = Boolean(flags['dry-run'])
    const progress = new ProgressLines((line) => this.say(line))
    const report = await cleanUp(await this.context(), {
      dryRun,
      ...(kinds.length > 0 ? { kinds } : {}),
      ...(flags['older-than'] === undefined ? {} : { olderThanMs: flags['older-than'] }),
      ...(flags['max-duration'] === undefined ? {} : { maxDurationMs: flags['max-duration'] }),
      ...(flags['batch-size'] === undefined ? {} : { batchSize: flags['batch-size'] }),
      onProgress: (kind, count) => progress.tell(`${kind}: ${count.toLocaleString('en')}`),
    })
    for (const note of report.notes) this.say(note)
    return cleanupOutput(report, { dryRun, explain: Boolean(flags.explain) })
  }
}
