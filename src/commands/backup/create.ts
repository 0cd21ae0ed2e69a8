import { KilnCommand } from '../../cli/base-command.ts'
import { passphraseOf, repositoryOf } from '../../cli/flags/backup.ts'
import { backupParts, createFlags, partArgument } from '../../cli/flags/backup-create.ts'
import type { Output } from '../../cli/output/output.ts'
import { ProgressLine } from '../../cli/progress-line.ts'
import { createdBackupRecord } from '../../cli/views/created-backup.ts'
import { createBackup } from '../../core/backup/index.ts'
import type { Settings } from '../../core/config/index.ts'
import { KilnError } from '../../core/errors/index.ts'

export default class BackupCreate extends KilnCommand<typeof BackupCreate> {
  static override summary = 'Make a backup set.'
  static override description =
    "postgres: Kiln's tables, the stored results that they name, and in an encrypted set the key of datasource secrets. duckdb: the databases of projects. config: the settings in force, secrets left out. A set is there whole or not at all; what could not be had of files makes it partial, each named."
  static override examples = [
    '<%= config.bin %> backup create',
    '<%= config.bin %> backup create --repo /backups --kind pre-deploy --label v2',
    '<%= config.bin %> backup create --encrypt --passphrase-file /etc/kiln/backup.key',
    '<%= config.bin %> backup create postgres --profile full',
  ]
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
    ['BACKUP_PASSPHRASE', 'encrypts sets, and opens encrypted ones'],
  ] as const
  static override exitCodeHelp = [
    [24, 'the set is partial: each file that is not in it is named'],
    [69, 'the server cannot be reached, or fell silent'],
    [73, 'the disk is full'],
    [75, 'a migration, a lock or another user of the repository is in the way (try again)'],
    [78, '--profile full needs pg_dump, or --encrypt a passphrase'],
  ] as const
  static override args = { part: partArgument }
  static override flags = createFlags

  /** The settings can be kept whatever the database is like. */
  protected override get needsSchema(): boolean {
    return this.args.part !== 'config'
  }

  protected override get silenceLimitMs(): number | undefined {
    return this.flags['silence-timeout']
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    const { flags } = this
    const parts = backupParts[this.args.part] ?? []
    if (flags.profile === 'full' && !parts.includes('postgres')) {
      throw new KilnError('USAGE', `--profile full has nothing to do with ${this.args.part}`, {
        hint: 'run: kiln backup create postgres --profile full',
      })
    }
    const context = await this.context()
    const progress = new ProgressLine()
    try {
      const created = await createBackup(context, {
        repository: repositoryOf(flags, context.settings),
        parts,
        profile: flags.profile,
        kind: flags.kind,
        label: flags.label,
        passphrase: await this.passphrase(context.settings),
        rowFormat: flags['row-format'],
        readers: flags.parallel,
        lockTimeoutMs: flags['lock-timeout'],
        databaseWaitMs: flags['database-wait'],
        silenceLimitMs: this.silenceLimitMs,
        waitMs: flags.wait,
        envFolder: flags['env-files'] ? process.cwd() : undefined,
        onProgress: flags.quiet ? undefined : progress.report,
      })
      progress.end()
      for (const warning of created.warnings) this.warn(warning)
      for (const note of created.manifest.notes) this.say(`note: ${note}`)
      return createdBackupRecord(created)
    } finally {
      progress.end()
    }
  }

  private async passphrase(settings: Settings): Promise<string | undefined> {
    const { encrypt } = this.flags
    if (encrypt === false) return undefined
    const passphrase = await passphraseOf(this.flags, settings)
    if (passphrase !== undefined || encrypt !== true) return passphrase
    throw new KilnError('BACKUP_PASSPHRASE_MISSING', '--encrypt needs a passphrase', {
      hint: 'name its file with --passphrase-file, or set BACKUP_PASSPHRASE_FILE',
    })
  }
}
