import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { analysisRecord, scriptOutput } from '../../cli/views/analysis.ts'
import { getAnalysis, getVersion } from '../../core/analyses/index.ts'

export default class AnalysisShow extends KilnCommand<typeof AnalysisShow> {
  static override summary = 'Show an analysis, what it declares, or its script.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> analysis show delays --project flights',
    '<%= config.bin %> analysis show delays --script --version 2 > delays.js',
    '<%= config.bin %> analysis show delays --json',
  ]
  static override exitCodeHelp = [[66, 'there is no such analysis or version']] as const
  static override args = {
    analysis: requiredArgument({ description: 'name or id of the analysis' }),
  }
  static override flags = {
    project: Flags.string({ description: 'project of the analysis', helpValue: 'ID' }),
    script: Flags.boolean({ description: 'print the script, byte for byte' }),
    version: Flags.integer({ description: 'this version, not the newest', min: 1, helpValue: 'N' }),
  }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    const analysis = await getAnalysis(context, {
      idOrName: this.args.analysis,
      projectId: this.flags.project,
    })
    const version = await getVersion(context, analysis, this.flags.version)
    return this.flags.script
      ? scriptOutput(analysis, version, process.stdout.isTTY)
      : analysisRecord(analysis, version)
  }
}
