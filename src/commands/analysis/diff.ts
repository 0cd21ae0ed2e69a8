import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { optionalVersion, requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { versionDifference } from '../../cli/views/version-difference.ts'
import { diffVersions } from '../../core/analyses/index.ts'

export default class AnalysisDiff extends KilnCommand<typeof AnalysisDiff> {
  static override summary = 'Compare two versions of an analysis, script and declarations.'
  static override readsOnly = true
  static override description =
    'Prints what the versions declare differently, each line after a #, then a unified diff of the scripts. Without numbers the newest version is compared with the one before, with one number that version with the newest.'
  static override examples = [
    '<%= config.bin %> analysis diff delays --project flights',
    '<%= config.bin %> analysis diff delays 2 5 --json',
    '<%= config.bin %> analysis diff delays 2 > changes.patch',
  ]
  static override exitCodeHelp = [
    [0, 'the versions are equal'],
    [1, 'the versions differ'],
    [66, 'there is no such analysis or version'],
  ] as const
  static override args = {
    analysis: requiredArgument({ description: 'name or id of the analysis' }),
    a: optionalVersion({ description: 'number of the first version; the one before the newest' }),
    b: optionalVersion({ description: 'number of the second version; the newest' }),
  }
  static override flags = {
    project: Flags.string({ description: 'project of the analysis', helpValue: 'ID' }),
  }

  protected async execute(): Promise<Output> {
    const { analysis, a, b } = this.args
    const { project } = this.flags
    const difference = await diffVersions(
      await this.context(),
      { idOrName: analysis, projectId: project },
      { a, b },
    )
    const { text } = difference.script
    if (text === '')
      this.say(`versions ${difference.a.versionNumber} and ${difference.b.versionNumber} are equal`)
    return versionDifference(difference, process.stdout.isTTY)
  }
}
