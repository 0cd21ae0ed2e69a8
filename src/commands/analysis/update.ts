import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { readScript } from '../../cli/read-script.ts'
import { savedAnalysis } from '../../cli/views/analysis.ts'
import { getAnalysis, openInspector, updateAnalysis } from '../../core/analyses/index.ts'

export default class AnalysisUpdate extends KilnCommand<typeof AnalysisUpdate> {
  static override summary = 'Give an analysis another script, which makes a version.'
  static override description =
    'Versions never change; jobs that are queued run the version they were queued with. The same script again makes none.'
  static override examples = [
    '<%= config.bin %> analysis update dry-spells examples/dry-spells.js --message wet',
    '<%= config.bin %> analysis update delays delays.ts --project flights --json',
  ]
  static override exitCodeHelp = [
    [1, 'the script is not a valid analysis'],
    [65, 'a declared datasource or analysis does not exist'],
    [66, 'there is no such analysis or file'],
  ] as const
  static override args = {
    analysis: requiredArgument({ description: 'name or id of the analysis' }),
    file: requiredArgument({ description: 'script; - reads standard input' }),
  }
  static override flags = {
    project: Flags.string({ description: 'project of the analysis', helpValue: 'ID' }),
    title: Flags.string({ description: 'new title', helpValue: 'TEXT' }),
    message: Flags.string({ char: 'm', description: 'what has changed', helpValue: 'TEXT' }),
  }

  protected async execute(): Promise<Output> {
    const { title, message } = this.flags
    const file = await readScript(this.args.file)
    const context = await this.context()
    const { id, projectId } = await getAnalysis(context, {
      idOrName: this.args.analysis,
      projectId: this.flags.project,
    })
    const inspector = await openInspector(projectId, this.signal)
    try {
      const { analysis, isNewVersion } = await updateAnalysis(
        context,
        { reference: { idOrName: id }, file, title, changeDescription: message },
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
