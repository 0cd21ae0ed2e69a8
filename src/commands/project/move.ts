import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { confirm } from '../../cli/confirm.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { waitFlag } from '../../cli/flags/wait.ts'
import type { Output } from '../../cli/output/output.ts'
import { movedProjectRecord } from '../../cli/views/project-database.ts'
import { moveProject } from '../../core/projects/index.ts'

export default class ProjectMove extends KilnCommand<typeof ProjectMove> {
  static override summary = `Give a project's database another data folder.`
  static override description = `Jobs that need the database run only where an executor of that data folder is. Run this where the database is now: it is copied, and the copy in this data folder is deleted. Jobs that come meanwhile wait.

With --without-file only the project's row changes: for a database that was brought to its new folder by other means, or that is lost with its machine.`
  static override examples = [
    '<%= config.bin %> project move shop --home /srv/kiln-2/data',
    '<%= config.bin %> project move shop --home /srv/kiln-2/data --without-file --yes',
  ]
  static override exitCodeHelp = [
    [1, 'the question was answered with no'],
    [64, '--without-file needs --yes where nobody can be asked'],
    [66, 'there is no such project'],
    [73, 'the disk is full'],
    [75, 'the database is in use (try again, or --wait)'],
    [78, 'the database is in another data folder than this one'],
  ] as const
  static override args = { id: requiredArgument({ description: 'id of the project' }) }
  static override flags = {
    home: Flags.string({
      description: 'the data folder that shall have it; made if it is not there',
      helpValue: 'FOLDER',
      required: true,
    }),
    'without-file': Flags.boolean({ description: 'leave the file, if any, where it is' }),
    wait: waitFlag(),
    yes: Flags.boolean({ description: 'do not ask' }),
  }

  protected async execute(): Promise<Output> {
    const { home, yes, wait } = this.flags
    const withoutFile = this.flags['without-file']
    const context = await this.context()
    if (withoutFile && !yes) {
      await confirm(`move the project "${this.args.id}" without its database file`, this.signal)
    }
    const projectId = this.args.id
    const input = { projectId, home, withoutFile, waitMs: wait ?? 0 }
    return movedProjectRecord(await moveProject(context, input))
  }
}
