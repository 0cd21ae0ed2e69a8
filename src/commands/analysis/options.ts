import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { parameterFlags, readParameters } from '../../cli/flags/parameters.ts'
import type { Output } from '../../cli/output/output.ts'
import { printableLines } from '../../core/units/printable.ts'
import { field, plainText } from '../../cli/output/render.ts'
import { findRunnable } from '../../core/analyses/index.ts'
import { askOptions } from '../../core/executor/index.ts'

export default class AnalysisOptions extends KilnCommand<typeof AnalysisOptions> {
  static override summary = 'List the choices of a parameter.'
  static override description =
    'Choices that stand in the script are read from its definition. A function is run in a sandbox with the datasources of the analysis and the values that are given of other parameters; no job is made.'
  static override examples = [
    '<%= config.bin %> analysis options bird-strikes phase --project flights',
    '<%= config.bin %> analysis options delays airport --param country=NO --json',
  ]
  static override exitCodeHelp = [
    [1, 'the function of the script failed or returned no options'],
    [65, 'there is no such parameter, it has no options, or a value is wrong'],
    [66, 'there is no such analysis or version'],
  ] as const
  static override args = {
    analysis: requiredArgument({ description: 'name or id of the analysis' }),
    parameter: requiredArgument({ description: 'name of a select or multiselect' }),
  }
  static override flags = {
    ...parameterFlags,
    project: Flags.string({ description: 'project of the analysis', helpValue: 'ID' }),
    version: Flags.integer({ description: 'of this version', min: 1, helpValue: 'N' }),
  }

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    const parameters = await readParameters(this.flags)
    const context = await this.context()
    const analysis = await findRunnable(context, this.args.analysis, {
      projectId: this.flags.project,
      version: this.flags.version,
    })
    const options = await askOptions(context, {
      analysis,
      parameter: this.args.parameter,
      given: (definition) => parameters.for(definition),
      onLogLine: ({ level, message }) => this.say(`${level.padEnd(5)} ${printableLines(message)}`),
    })
    return {
      kind: 'list',
      items: options.map(({ value, label }) => ({ value, label })),
      columns: [field('value', 'value'), field('label', 'label')],
      name: (option) => plainText(option.value),
      empty: 'no choices',
    }
  }
}
