import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { confirm } from '../../cli/confirm.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { waitFlag } from '../../cli/flags/wait.ts'
import type { Output } from '../../cli/output/output.ts'
import { movedProjectRecord } from '../../cli/views/project-database.ts'
import { getProject } from '../../core/jobs/index.ts'
import { findDataFolder } from '../../core/os/index.ts'
import { moveProject } from '../../core/projects/index.ts'

export default class ProjectMove extends KilnCommand<typeof ProjectMove> {
  static override summary = `Give a project's database another data folder.`
  static override description = `Jobs that need the database run only where an executor of that data folder is. Run this where the database is now: it is copied, and the copy in this data folder is deleted. Jobs that come meanwhile wait.

With --without-file only the project's row changes: for a database that was brought to its new folder by other means, or that is lost with its machine.`
  static override examples = [
    '<%= config.bin %> project move shop --home /srv/kiln-2/data',
    '<%= config.bin %> project move shop --home /srv/kiln-3/new-data --yes',
    '<%= config.bin %> project move shop --home /srv/kiln-2/data --without-file --yes',
  ]
  static override exitCodeHelp = [
    [1, 'the question was answered with no'],
    [64, 'it needs --yes, and nobody can be asked'],
    [66, 'there is no such project'],
    [73, 'the disk is full'],
    [75, 'the database is in use (try again, or --wait)'],
    [78, 'the database is in another data folder than this one'],
  ] as const
  static override args = { id: requiredArgument({ description: 'id of the project' }) }
  static override flags = {
    home: Flags.string({
      description: 'the data folder that shall have it; a new one only when confirmed',
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
    const projectId = this.args.id
    const isNew = !(await findDataFolder(home))
    if ((withoutFile || isNew) && !yes) {
      await getProject(context, projectId)
      const how = withoutFile ? 'without its database file' : `to ${home}, no data folder yet`
      await confirm(`move the project "${projectId}" ${how}`, this.signal)
    }
    const input = { projectId, home, withoutFile, waitMs: wait ?? 0 }
    return movedProjectRecord(await moveProject(context, input))
  }
}
