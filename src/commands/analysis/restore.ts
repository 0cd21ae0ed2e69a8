import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument, requiredVersion } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { savedAnalysis } from '../../cli/views/analysis.ts'
import { getAnalysis, openInspector, restoreVersion } from '../../core/analyses/index.ts'

export default class AnalysisRestore extends KilnCommand<typeof AnalysisRestore> {
  static override summary = 'Make a new version with the script of an old one.'
  static override description =
    'Nothing is taken back: the versions between stay, and so do the jobs that ran them. The script is checked again, since what it declares may be gone by now.'
  static override examples = [
    '<%= config.bin %> analysis restore delays 2 --project flights',
    '<%= config.bin %> analysis restore delays 2 --message "3 counted twice" --json',
  ]
  static override exitCodeHelp = [
    [1, 'the script is not a valid analysis'],
    [65, 'a declared datasource or analysis does not exist'],
    [66, 'there is no such analysis or version'],
  ] as const
  static override args = {
    analysis: requiredArgument({ description: 'name or id of the analysis' }),
    version: requiredVersion({ description: 'number of the version to restore' }),
  }
  static override flags = {
    project: Flags.string({ description: 'project of the analysis', helpValue: 'ID' }),
    message: Flags.string({ char: 'm', description: 'why', helpValue: 'TEXT' }),
  }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    const { id, projectId } = await getAnalysis(context, {
      idOrName: this.args.analysis,
      projectId: this.flags.project,
    })
    const inspector = await openInspector(projectId, this.signal)
    try {
      const { analysis, isNewVersion } = await restoreVersion(
        context,
        {
          reference: { idOrName: id },
          versionNumber: this.args.version,
          changeDescription: this.flags.message,
        },
        inspector.inspect,
      )
      if (!isNewVersion) this.say(`the script is the same: still version ${analysis.version}`)
      const output = savedAnalysis(analysis)
      return { ...output, record: { ...output.record, is_new_version: isNewVersion } }
    } finally {
      await inspector.close()
    }
  }
}
