import path from 'node:path'
import { Flags } from '@oclif/core'
import { confirmName } from '../../cli/confirm-name.ts'
import { optionalArgument } from '../../cli/flags/argument.ts'
import {
  passphraseFlag,
  passphraseOf,
  repositoryFlag,
  repositoryOf,
  silenceFlag,
} from '../../cli/flags/backup.ts'
import { waitFlag } from '../../cli/flags/wait.ts'
import type { Output } from '../../cli/output/output.ts'
import { RestoreCommand } from '../../cli/restore-command.ts'
import {
  databasesPlanList,
  restoredDatabasesList,
  settledDatabasesRecord,
} from '../../cli/views/restored-databases.ts'
import { openRepository, openSet } from '../../core/backup/index.ts'
import type { Context } from '../../core/context.ts'
import { KilnError } from '../../core/errors/index.ts'
import {
  type DatabasesSource,
  lastDatabasesRestore,
  planDatabases,
  restoreDatabases,
  resumeDatabases,
  undoDatabases,
} from '../../core/restore/index.ts'

export default class RestoreDuckdb extends RestoreCommand<typeof RestoreDuckdb> {
  static override summary = 'Replace project databases with those of a backup.'
  static override description = `Each database is written, opened and read beside its place; only when all of them have proven sound do they take their places, while nobody may open any. Databases of projects that the backup does not have stay. Those of before are kept until kiln restore drop-old, and --rollback puts them back.

--from-tar takes a tar, gzipped or not, of the folder databases. Links, devices and names that lead out of the folder are refused.`
  static override examples = [
    '<%= config.bin %> restore duckdb latest --dry-run',
    '<%= config.bin %> restore duckdb latest --confirm analysis-data',
    '<%= config.bin %> restore duckdb --from-tar databases.tar.gz --confirm analysis-data',
  ]
  static override environmentHelp = [
    ['BACKUP_REPOSITORY', 'folder of backup sets (default backups in the data folder)'],
    ['BACKUP_PASSPHRASE', 'encrypts sets, and opens encrypted ones'],
  ] as const
  static override exitCodeHelp = [
    [1, 'the set is damaged; nothing was changed'],
    [64, '--confirm is missing, or names another data folder'],
    [65, 'the backup holds what cannot be restored; nothing was changed'],
    [66, 'there is no such set or file, or no restore to resume or roll back'],
    [69, 'the server cannot be reached, or fell silent'],
    [73, 'the disk is full; nothing was changed'],
    [75, 'a database is in use (--wait), or another restore or backup works'],
    [78, 'a database is at home in another data folder, where an executor runs'],
  ] as const
  static override args = {
    set: optionalArgument({ description: 'id of a set, the beginning of one, or latest' }),
  }
  static override flags = {
    'from-tar': Flags.string({ description: 'a tar of the folder databases', helpValue: 'FILE' }),
    confirm: Flags.string({
      description: 'name or path of the data folder whose databases are replaced',
      helpValue: 'NAME',
    }),
    'dry-run': Flags.boolean({ description: 'check the backup and tell what would happen' }),
    resume: Flags.boolean({
      description: 'finish a restore that was interrupted',
      exclusive: ['from-tar', 'dry-run', 'rollback'],
    }),
    rollback: Flags.boolean({
      description: 'take the last restore back',
      exclusive: ['from-tar', 'dry-run'],
    }),
    wait: waitFlag(),
    ...repositoryFlag,
    ...passphraseFlag,
    ...silenceFlag,
  }

  /** Projects are rows: without them there is nothing to restore a database to. */
  protected override get needsSchema(): boolean {
    return true
  }

  protected override get silenceLimitMs(): number | undefined {
    return this.flags['silence-timeout']
  }

  protected async execute(): Promise<Output> {
    const { resume, rollback, wait } = this.flags
    const context = await this.context()
    const { dataDir } = context.settings
    const waitMs = wait ?? 0
    if (rollback) {
      await this.confirmFolder(dataDir)
      return settledDatabasesRecord(await undoDatabases(context, { waitMs }), dataDir)
    }
    if (resume) return await this.resume(context, waitMs)
    const source = await this.source(context)
    const name = source.kind === 'set' ? source.set.id : source.file
    if (this.flags['dry-run']) return databasesPlanList(await planDatabases(context, source), name)
    await this.confirmFolder(dataDir)
    return await this.restore(context, source, waitMs)
  }

  private async restore(
    context: Context,
    source: DatabasesSource,
    waitMs: number,
  ): Promise<Output> {
    const { silenceLimitMs } = this
    return await this.withProgress(async (onProgress) =>
      restoredDatabasesList(
        await restoreDatabases(context, { source, waitMs, silenceLimitMs, onProgress }),
      ),
    )
  }

  /** It was confirmed when it began; what had no effect yet begins again. */
  private async resume(context: Context, waitMs: number): Promise<Output> {
    const last = await lastDatabasesRestore(context)
    if (!last) {
      throw new KilnError('RESTORE_NOT_FOUND', 'there is no restore of databases to resume', {
        hint: 'begin one: kiln restore duckdb latest --confirm FOLDER',
      })
    }
    const { dataDir } = context.settings
    const finished = await resumeDatabases(context, { waitMs })
    if (finished) return settledDatabasesRecord(finished, dataDir)
    if (last.state === 'done') {
      const projects = last.databases.map(({ projectId }) => projectId)
      const { id, source } = last
      return settledDatabasesRecord({ id, source, projects, outcome: 'finished' }, dataDir)
    }
    const source =
      last.repository === null
        ? ({ kind: 'archive', file: last.source } as const)
        : await this.openNamed(context, last.source, last.repository)
    return await this.restore(context, source, waitMs)
  }

  private async source(context: Context): Promise<DatabasesSource> {
    const file = this.flags['from-tar']
    const { set } = this.args
    if ((set === undefined) === (file === undefined)) {
      throw new KilnError('USAGE', 'one backup has to be named', {
        hint: 'name a set (kiln backup list), latest, or an archive: --from-tar FILE',
      })
    }
    if (file !== undefined) return { kind: 'archive', file }
    return await this.openNamed(context, set ?? '', repositoryOf(this.flags, context.settings))
  }

  private async openNamed(
    context: Context,
    name: string,
    repository: string,
  ): Promise<DatabasesSource> {
    const passphrase = await passphraseOf(this.flags, context.settings)
    const opened = await openRepository(repository)
    return { kind: 'set', set: await openSet(opened, { name, part: 'duckdb', passphrase }) }
  }

  private confirmFolder(dataDir: string): Promise<void> {
    const { confirm } = this.flags
    return confirmName({
      what: `the databases in ${dataDir}`,
      names: [path.basename(dataDir), dataDir, path.relative(process.cwd(), dataDir)],
      given: confirm !== undefined && path.resolve(confirm) === dataDir ? dataDir : confirm,
      signal: this.signal,
    })
  }
}
