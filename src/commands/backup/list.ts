import { KilnCommand } from '../../cli/base-command.ts'
import { repositoryFlag, repositoryOf } from '../../cli/flags/backup.ts'
import type { Output } from '../../cli/output/output.ts'
import { backupList } from '../../cli/views/backup.ts'
import { listBackups, openRepository } from '../../core/backup/index.ts'

export default class BackupList extends KilnCommand<typeof BackupList> {
  static override summary = 'List the sets of a repository, and when each was verified.'
  static override description =
    'Newest first. A set that cannot be read is listed as damaged. The database is not asked, so that this works when it is lost.'
  static override examples = [
    '<%= config.bin %> backup list',
    '<%= config.bin %> backup list --repo /backups --json',
  ]
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
  ] as const
  static override exitCodeHelp = [[66, 'there is no repository']] as const
  static override flags = repositoryFlag

  protected async execute(): Promise<Output> {
    const { loadSettings } = await import('../../core/config/index.ts')
    const repository = await openRepository(repositoryOf(this.flags, loadSettings().settings))
    return backupList(repository.path, await listBackups(repository), Date.now())
  }
}
