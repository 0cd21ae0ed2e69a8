import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { versionColumns, versionJson } from '../../cli/views/analysis.ts'
import { getAnalysis, listVersions } from '../../core/analyses/index.ts'

export default class AnalysisVersions extends KilnCommand<typeof AnalysisVersions> {
  static override summary = 'List the versions of an analysis, newest first.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> analysis versions delays --project flights',
    '<%= config.bin %> analysis versions delays --json',
  ]
  static override exitCodeHelp = [[66, 'there is no such analysis']] as const
  static override args = {
    analysis: requiredArgument({ description: 'name or id of the analysis' }),
  }
  static override flags = {
    project: Flags.string({ description: 'project of the analysis', helpValue: 'ID' }),
  }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    const { id } = await getAnalysis(context, {
      idOrName: this.args.analysis,
      projectId: this.flags.project,
    })
    const versions = await listVersions(context, id)
    return {
      kind: 'list',
      items: versions.map(versionJson),
      columns: versionColumns,
      name: (version) => plainText(version.version),
    }
  }
}
