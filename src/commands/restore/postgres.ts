import { Flags } from '@oclif/core'
import { confirmName } from '../../cli/confirm-name.ts'
import { optionalArgument } from '../../cli/flags/argument.ts'
import {
  passphraseFlag,
  passphraseOf,
  repositoryFlag,
  repositoryOf,
  repositoryWaitFlag,
  silenceFlag,
} from '../../cli/flags/backup.ts'
import type { Output } from '../../cli/output/output.ts'
import { RestoreCommand } from '../../cli/restore-command.ts'
import { finishedRecord, releasedRecord, undoneRecord } from '../../cli/views/restore.ts'
import { dumpPlanRecord, restoredDumpRecord } from '../../cli/views/restored-dump.ts'
import { restoredSetRecord, setPlanRecord } from '../../cli/views/restored-set.ts'
import { type BackupSet, openRepository, openSet } from '../../core/backup/index.ts'
import type { Context } from '../../core/context.ts'
import { KilnError } from '../../core/errors/index.ts'
import {
  type RestoreTarget,
  checkWhole,
  findRestoreTarget,
  planDump,
  planSet,
  releaseHeldJobs,
  restoreDump,
  restoreSet,
  restoreWhole,
  resumeTables,
  undoRestore,
} from '../../core/restore/index.ts'

export default class RestorePostgres extends RestoreCommand<typeof RestorePostgres> {
  static override summary = `Replace Kiln's tables with those of a backup.`
  static override description = `Everything is checked, then loaded beside the live tables, checked again and put into their place at once; whatever goes wrong before that changes nothing. Stored results and the key of datasource secrets come with the tables. No executor may run meanwhile. The tables of before are kept until kiln restore drop-old, and --rollback puts them back.

Jobs that ran are pending again, and pending ones wait until --release; schedules go on from now.

With --profile full pg_restore makes a new database of all that was in the old one, from a set made with backup create --profile full.

--from-dump takes what pg_dump makes of these tables: plain SQL, also gzipped, and the custom format. Only rows are taken from it, the schema is that of the migrations.`
  static override examples = [
    '<%= config.bin %> restore postgres latest --dry-run',
    '<%= config.bin %> restore postgres latest --confirm kiln',
    '<%= config.bin %> restore postgres latest --into kiln_check --confirm kiln_check',
    '<%= config.bin %> restore postgres latest --profile full --into copy --confirm copy',
    '<%= config.bin %> restore postgres --from-dump backup.sql.gz --confirm kiln',
    '<%= config.bin %> restore postgres --release',
  ]
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
    ['BACKUP_PASSPHRASE', 'encrypts sets, and opens encrypted ones'],
  ] as const
  static override exitCodeHelp = [
    [1, 'the set is damaged; nothing was changed'],
    [64, '--confirm is missing, or names another database'],
    [65, 'the backup holds what cannot be restored; nothing was changed'],
    [66, 'there is no such set or file, or no restore to resume or roll back'],
    [69, 'the server cannot be reached, or fell silent'],
    [73, 'the disk is full; nothing was changed'],
    [75, 'executors run, or another restore, backup or migration'],
    [77, 'the passphrase is not that of the set'],
    [78, 'the set is encrypted or of a newer Kiln, or pg_restore is not installed'],
  ] as const
  static override args = {
    set: optionalArgument({ description: 'id of a set, the beginning of one, or latest' }),
  }
  static override flags = {
    'from-dump': Flags.string({ description: 'a dump made by pg_dump', helpValue: 'FILE' }),
    confirm: Flags.string({
      description: 'name of the database whose tables are replaced',
      helpValue: 'NAME',
    }),
    into: Flags.string({
      description: 'another database of the same server; made if it is not there',
      helpValue: 'DATABASE',
    }),
    profile: Flags.option({
      options: ['analysis', 'full'] as const,
      default: 'analysis' as const,
      description:
        "analysis: Kiln's tables; full: the whole database of a set made so, into a new one",
    })(),
    'dry-run': Flags.boolean({ description: 'check all of it and tell what would happen' }),
    resume: Flags.boolean({
      description: 'finish a restore that was interrupted',
      exclusive: ['from-dump', 'dry-run', 'rollback'],
    }),
    rollback: Flags.boolean({
      description: 'take the last restore back',
      exclusive: ['from-dump', 'dry-run', 'release'],
    }),
    release: Flags.boolean({ description: 'let jobs run that wait since a restore' }),
    ...repositoryFlag,
    ...repositoryWaitFlag,
    ...passphraseFlag,
    ...silenceFlag,
  }

  protected async execute(): Promise<Output> {
    const { into, rollback, release, resume } = this.flags
    const file = this.flags['from-dump']
    const { set } = this.args
    this.requireOneSource(set, file)
    this.requireNewDatabase()
    const context = await this.context()
    const target = await findRestoreTarget(context, into, this.flags['silence-timeout'])
    if (rollback) {
      await this.confirmTarget(target)
      return undoneRecord(await undoRestore(context, target))
    }
    if (resume) return await this.resume(context, target)
    if (file !== undefined) return await this.restoreFile(context, target, file)
    if (set !== undefined) {
      return await this.restoreNamed(context, target, await this.openNamed(context, set))
    }
    if (release) return releasedRecord(await releaseHeldJobs(context.database))
    throw new KilnError('USAGE', 'nothing is named to be restored', {
      hint: 'name a set (kiln backup list), latest, or a dump: --from-dump FILE',
    })
  }

  private requireOneSource(set: string | undefined, file: string | undefined): void {
    const { resume, rollback } = this.flags
    if (set === undefined || (file === undefined && !resume && !rollback)) return
    throw new KilnError('USAGE', 'a set is named, and something else to restore', {
      hint: 'name a set, or --from-dump, --resume or --rollback',
    })
  }

  private requireNewDatabase(): void {
    const { profile, into, resume, rollback } = this.flags
    if (profile !== 'full' || (into !== undefined && !resume && !rollback && this.args.set)) return
    throw new KilnError('USAGE', 'a whole database is restored from a set, into a new database', {
      hint: 'run: kiln restore postgres latest --profile full --into NAME --confirm NAME',
    })
  }

  private async openNamed(
    context: Context,
    name: string,
    repository = repositoryOf(this.flags, context.settings),
  ): Promise<BackupSet> {
    const passphrase = await passphraseOf(this.flags, context.settings)
    return await openSet(await openRepository(repository), { name, part: 'postgres', passphrase })
  }

  private async restoreNamed(
    context: Context,
    target: RestoreTarget,
    set: BackupSet,
    isConfirmed = false,
  ): Promise<Output> {
    const database = target.databaseName
    const isDryRun = this.flags['dry-run']
    if (!isDryRun && !isConfirmed) await this.confirmTarget(target)
    return await this.withProgress(async (onProgress) => {
      const input = { set, target, silenceLimitMs: this.flags['silence-timeout'], onProgress }
      const isWhole = this.flags.profile === 'full'
      if (isDryRun) {
        if (isWhole) await checkWhole(context, input)
        // What a killed restore has left of it is not looked at.
        const plain = { ...input, target: { ...target, exists: target.exists && !isWhole } }
        return setPlanRecord(await planSet(context, plain), database)
      }
      const { release: releases, wait: waitMs } = this.flags
      const restore = isWhole ? restoreWhole : restoreSet
      const restored = await restore(context, { ...input, releases, waitMs })
      for (const id of restored.missingKeys) {
        this.warn(
          `datasources have secrets that need the key ${id}, which is not in this data folder`,
        )
      }
      return restoredSetRecord(restored, database)
    })
  }

  private async restoreFile(
    context: Context,
    target: RestoreTarget,
    file: string,
    isConfirmed = false,
  ): Promise<Output> {
    const subject = { source: file, database: target.databaseName }
    const isDryRun = this.flags['dry-run']
    if (!isDryRun && !isConfirmed) await this.confirmTarget(target)
    return await this.withProgress(async (onProgress) => {
      const input = { file, target, silenceLimitMs: this.flags['silence-timeout'], onProgress }
      if (isDryRun) return dumpPlanRecord(await planDump(context, input), subject)
      const restored = await restoreDump(context, { ...input, releases: this.flags.release })
      return restoredDumpRecord(restored, subject)
    })
  }

  /** It was confirmed when it began. */
  private async resume(context: Context, target: RestoreTarget): Promise<Output> {
    const { kind, record } = await resumeTables(context, target)
    if (kind === 'finished') return finishedRecord(record, target.databaseName)
    const { repository } = record.details
    if (typeof repository !== 'string') {
      return await this.restoreFile(context, target, record.source, true)
    }
    const set = await this.openNamed(context, record.source, repository)
    return await this.restoreNamed(context, target, set, true)
  }

  private confirmTarget({ databaseName }: RestoreTarget): Promise<void> {
    return confirmName({
      what: `the database "${databaseName}"`,
      names: [databaseName],
      given: this.flags.confirm,
      signal: this.signal,
    })
  }
}
