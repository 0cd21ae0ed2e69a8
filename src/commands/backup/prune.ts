import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { repositoryFlag, repositoryOf, repositoryWaitFlag } from '../../cli/flags/backup.ts'
import type { Output } from '../../cli/output/output.ts'
import { prunedList } from '../../cli/views/backup.ts'
import { pruneBackups } from '../../core/backup/index.ts'

const rule = (description: string) => Flags.integer({ description, min: 0, helpValue: 'N' })

export default class BackupPrune extends KilnCommand<typeof BackupPrune> {
  static override summary = 'Remove the sets that no rule keeps.'
  static override description =
    'A set stays when any rule keeps it; without rules: --keep-last 3 --daily 7 --weekly 4 --monthly 12. Only complete sets that no verification found damaged count, for each of what sets hold; the newest of those always stays. Days are those of UTC.'
  static override examples = [
    '<%= config.bin %> backup prune --dry-run',
    '<%= config.bin %> backup prune --keep-days 14 --weekly 8 --monthly 12',
  ]
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
  ] as const
  static override exitCodeHelp = [
    [66, 'there is no repository'],
    [75, 'another works on the repository (try again, or --wait)'],
  ] as const
  static override flags = {
    ...repositoryFlag,
    'keep-last': rule('keep the newest N'),
    'keep-days': rule('keep all of the last N days'),
    daily: Flags.integer({
      aliases: ['keep-daily'],
      description: 'keep the newest of each of the last N days that have one',
      min: 0,
      helpValue: 'N',
    }),
    weekly: Flags.integer({
      aliases: ['keep-weekly'],
      description: 'the same for weeks',
      min: 0,
      helpValue: 'N',
    }),
    monthly: Flags.integer({
      aliases: ['keep-monthly'],
      description: 'the same for months',
      min: 0,
      helpValue: 'N',
    }),
    'dry-run': Flags.boolean({ description: 'only tell what would be removed, and why' }),
    ...repositoryWaitFlag,
  }

  protected override get needsSchema(): boolean {
    return false
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    const { flags } = this
    const context = await this.context()
    const isDryRun = flags['dry-run']
    const outcome = await pruneBackups(context, {
      repository: repositoryOf(flags, context.settings),
      rules: {
        keepLast: flags['keep-last'],
        keepDays: flags['keep-days'],
        daily: flags.daily,
        weekly: flags.weekly,
        monthly: flags.monthly,
      },
      isDryRun,
      waitMs: flags.wait,
    })
    for (const warning of outcome.warnings) this.warn(warning)
    return prunedList(outcome, isDryRun)
  }
}
