import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArguments } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { activationOutput } from '../../cli/views/analyses-bulk.ts'
import { setAnalysesActive } from '../../core/analyses/index.ts'

export default class AnalysisEnable extends KilnCommand<typeof AnalysisEnable> {
  static override summary = 'Let analyses run again.'
  static override description =
    'Schedules go on with their next occurrence; what they missed is not made up. Safe to repeat.'
  static override examples = [
    '<%= config.bin %> analysis enable delays --project flights',
    '<%= config.bin %> analysis enable delays bird-strikes --json',
  ]
  static override exitCodeHelp = [
    [24, 'some are enabled, others were not found'],
    [66, 'there is no such analysis'],
  ] as const
  static override strict = false
  static override args = {
    analysis: requiredArguments({ description: 'names or ids of analyses' }),
  }
  static override flags = {
    project: Flags.string({ description: 'project of the analyses', helpValue: 'ID' }),
  }

  protected async execute(): Promise<Output> {
    const { project } = this.flags
    const references = this.args.analysis.map((idOrName) => ({ idOrName, projectId: project }))
    return activationOutput(
      await setAnalysesActive(await this.context(), references, true),
      'enabled',
    )
  }
}
