import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { confirm } from '../../cli/confirm.ts'
import { optionalArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { droppedOldList } from '../../cli/views/restore.ts'
import { KilnError } from '../../core/errors/index.ts'
import { dropOldTables, keptDatabases } from '../../core/restore/index.ts'

export default class RestoreDropOld extends KilnCommand<typeof RestoreDropOld> {
  static override summary = 'Drop what restores have kept of before.'
  static override description =
    'A restore keeps the tables that it replaced in a schema kiln_old_…, and project databases in the data folder, so that it can be taken back. Drop them when the restored data has proven right; after that it cannot.'
  static override examples = [
    '<%= config.bin %> restore drop-old --dry-run',
    '<%= config.bin %> restore drop-old --yes',
  ]
  static override exitCodeHelp = [
    [1, 'the question was answered with no'],
    [64, 'off a terminal --yes is missing'],
    [66, 'there is no such restore'],
  ] as const
  static override args = {
    id: optionalArgument({ description: 'id of one restore; all of them if left out' }),
  }
  static override flags = {
    'dry-run': Flags.boolean({ description: 'only show what would be dropped' }),
    yes: Flags.boolean({ description: 'do not ask' }),
  }

  protected async execute(): Promise<Output> {
    const isDryRun = this.flags['dry-run']
    const { id } = this.args
    const context = await this.context()
    const found = await dropOldTables(context, { id, isDryRun: true })
    const databases = await keptDatabases(context, { id, drops: false })
    const names = [
      ...found.map(({ schema }) => schema),
      ...databases.map(({ projects }) => `the databases of before of ${projects.join(', ')}`),
    ]
    if (names.length === 0 && id !== undefined) throw noSuchRestore(id)
    if (isDryRun || names.length === 0) return droppedOldList(found, databases, true)
    if (!this.flags.yes) await confirm(`drop ${names.join(', ')}`, this.signal)
    return droppedOldList(
      await dropOldTables(context, { id, isDryRun: false }),
      await keptDatabases(context, { id, drops: true }),
      false,
    )
  }
}

const noSuchRestore = (id: string): KilnError =>
  new KilnError('RESTORE_NOT_FOUND', `nothing of a restore ${id} is kept`, {
    hint: 'see what would go: kiln restore drop-old --dry-run',
  })
