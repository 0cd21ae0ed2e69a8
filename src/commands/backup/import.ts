import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { repositoryFlag, repositoryOf, repositoryWaitFlag } from '../../cli/flags/backup.ts'
import type { Output } from '../../cli/output/output.ts'
import { ProgressLine } from '../../cli/progress-line.ts'
import { importedRecord } from '../../cli/views/backup.ts'
import { importBackup } from '../../core/backup/index.ts'

export default class BackupImport extends KilnCommand<typeof BackupImport> {
  static override summary = 'Take a set from a tar file into the repository.'
  static override description =
    'All of it is verified before it counts as a set. The repository is made if the folder is new.'
  static override examples = ['<%= config.bin %> backup import set.tar --repo /backups']
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
    ['BACKUP_PASSPHRASE', 'encrypts sets, and opens encrypted ones'],
  ] as const
  static override exitCodeHelp = [
    [1, 'the file is no archive of a set, or damaged'],
    [66, 'there is no such file'],
    [73, 'the repository has the set, or the disk is full'],
    [75, 'another works on the repository (try again, or --wait)'],
    [78, 'a newer version of Kiln wrote the set'],
  ] as const
  static override args = { file: requiredArgument({ description: 'tar file of backup export' }) }
  static override flags = { ...repositoryFlag, ...repositoryWaitFlag }

  protected override get needsSchema(): boolean {
    return false
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    const { flags } = this
    const context = await this.context()
    const progress = new ProgressLine()
    try {
      const imported = await importBackup(context, {
        repository: repositoryOf(flags, context.settings),
        file: this.args.file,
        waitMs: flags.wait,
        onProgress: flags.quiet ? undefined : progress.report,
      })
      for (const warning of imported.warnings) this.warn(warning)
      return importedRecord(imported)
    } finally {
      progress.end()
    }
  }
}
