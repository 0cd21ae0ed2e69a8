import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { repositoryFlag, repositoryOf, repositoryWaitFlag } from '../../cli/flags/backup.ts'
import type { Output } from '../../cli/output/output.ts'
import { ProgressLine } from '../../cli/progress-line.ts'
import { exportedRecord } from '../../cli/views/backup.ts'
import { exportBackup } from '../../core/backup/index.ts'

export default class BackupExport extends KilnCommand<typeof BackupExport> {
  static override summary = 'Write a set into one tar file.'
  static override description =
    'The set is verified first. An encrypted set stays encrypted. The manifest comes last, so that an archive that was cut off is refused.'
  static override examples = ['<%= config.bin %> backup export latest set.tar']
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
    ['BACKUP_PASSPHRASE', 'encrypts sets, and opens encrypted ones'],
  ] as const
  static override exitCodeHelp = [
    [1, 'the set is damaged'],
    [66, 'there is no such set'],
    [73, 'the file exists, or the disk is full'],
    [75, 'another works on the repository (try again, or --wait)'],
  ] as const
  static override args = {
    set: requiredArgument({ description: 'id of a set, the beginning of one, or latest' }),
    file: requiredArgument({ description: 'the tar file to write' }),
  }
  static override flags = {
    ...repositoryFlag,
    force: Flags.boolean({ description: 'write over a file that exists' }),
    ...repositoryWaitFlag,
  }

  protected override get needsSchema(): boolean {
    return false
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    const { flags, args } = this
    const context = await this.context()
    const progress = new ProgressLine()
    try {
      const exported = await exportBackup(context, {
        repository: repositoryOf(flags, context.settings),
        set: args.set,
        file: args.file,
        force: flags.force,
        waitMs: flags.wait,
        onProgress: flags.quiet ? undefined : progress.report,
      })
      return exportedRecord(exported)
    } finally {
      progress.end()
    }
  }
}
