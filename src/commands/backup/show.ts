import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { repositoryFlag, repositoryOf } from '../../cli/flags/backup.ts'
import type { Output } from '../../cli/output/output.ts'
import { backupRecord } from '../../cli/views/backup.ts'
import { openRepository, setFolderOf, showBackup } from '../../core/backup/index.ts'

export default class BackupShow extends KilnCommand<typeof BackupShow> {
  static override summary = 'Show what is in a set, and what its last verification found.'
  static override description = 'The database is not asked, so that this works when it is lost.'
  static override examples = [
    '<%= config.bin %> backup show latest',
    '<%= config.bin %> backup show 20261129T1002 --json',
  ]
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
  ] as const
  static override exitCodeHelp = [[66, 'there is no such set']] as const
  static override args = {
    set: requiredArgument({ description: 'id of a set, the beginning of one, or latest' }),
  }
  static override flags = repositoryFlag

  protected async execute(): Promise<Output> {
    const { loadSettings } = await import('../../core/config/index.ts')
    const repository = await openRepository(repositoryOf(this.flags, loadSettings().settings))
    const backup = await showBackup(repository, this.args.set)
    return backupRecord(backup, setFolderOf(repository.path, backup.id))
  }
}
