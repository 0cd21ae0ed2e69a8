import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { optionalArgument } from '../../cli/flags/argument.ts'
import {
  passphraseFlag,
  passphraseOf,
  repositoryFlag,
  repositoryOf,
} from '../../cli/flags/backup.ts'
import type { Output } from '../../cli/output/output.ts'
import { ProgressLine } from '../../cli/progress-line.ts'
import { verifiedList } from '../../cli/views/backup.ts'
import { listBackups, openRepository, verifyBackup, verifyLevels } from '../../core/backup/index.ts'
import { type KilnError, isKilnError } from '../../core/errors/index.ts'
import { drillSet } from '../../core/restore/index.ts'

const oneSetOnly = [
  'BACKUP_FORMAT_NEWER',
  'BACKUP_PASSPHRASE_WRONG',
  'BACKUP_PASSPHRASE_MISSING',
] as const

export default class BackupVerify extends KilnCommand<typeof BackupVerify> {
  static override summary = 'Prove that a set is what was written.'
  static override description =
    'quick: every file is there in its size. full: every byte is the one that was written. drill: all of it is restored into a database and a folder of its own, compared, and dropped. What is found is kept with the set. The first two need no passphrase of an encrypted set; with it, it is also proven who wrote the manifest.'
  static override examples = [
    '<%= config.bin %> backup verify',
    '<%= config.bin %> backup verify --all --level quick',
    '<%= config.bin %> backup verify latest --level drill',
  ]
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
    ['BACKUP_PASSPHRASE', 'encrypts sets, and opens encrypted ones'],
  ] as const
  static override exitCodeHelp = [
    [1, 'a set is damaged: each finding is named'],
    [66, 'there is no such set'],
    [77, 'the passphrase is not that of the set'],
    [78, 'a newer version of Kiln wrote the set'],
  ] as const
  static override args = {
    set: optionalArgument({
      description: 'id of a set, the beginning of one, or latest [default: latest]',
    }),
  }
  static override flags = {
    ...repositoryFlag,
    all: Flags.boolean({ description: 'verify all sets' }),
    level: Flags.option({
      options: verifyLevels,
      default: 'full' as const,
      description: 'how much to prove',
    })(),
    ...passphraseFlag,
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
    const repository = repositoryOf(flags, context.settings)
    const passphrase = await passphraseOf(flags, context.settings)
    const sets = flags.all
      ? (await listBackups(await openRepository(repository))).map(({ id }) => id)
      : [this.args.set ?? 'latest']
    const progress = new ProgressLine()
    const results = []
    let unreadable: KilnError | undefined
    try {
      for (const set of sets) {
        const { level } = flags
        const onProgress = flags.quiet ? undefined : progress.report
        const drill = drillSet(context)
        const input = { repository, set, level, passphrase, onProgress, drill }
        try {
          results.push(await verifyBackup(context, input))
        } catch (error) {
          // One that was pruned meanwhile is none any more.
          if (flags.all && isKilnError(error, 'BACKUP_NOT_FOUND')) continue
          // One of another passphrase or program keeps the others from nothing.
          if (!flags.all || !isKilnError(error, ...oneSetOnly)) throw error
          this.warn(`${set}: ${error.message}`)
          unreadable ??= error
        }
      }
    } finally {
      progress.end()
    }
    const verified = verifiedList(results)
    return verified.error || !unreadable ? verified : { ...verified, error: unreadable }
  }
}
