import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArguments } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { readScript } from '../../cli/read-script.ts'
import { validationOutput } from '../../cli/views/script-report.ts'
import { openInspector, validateScripts } from '../../core/analyses/index.ts'

export default class AnalysisValidate extends KilnCommand<typeof AnalysisValidate> {
  static override summary = 'Check scripts without storing them; needs no database.'
  static override description =
    'Prints a line for each problem: file:line:column: message. Whether declared datasources and analyses exist is checked when an analysis is created.'
  static override examples = [
    '<%= config.bin %> analysis validate examples/*.js',
    '<%= config.bin %> analysis validate delays.ts --json',
  ]
  static override exitCodeHelp = [
    [1, 'a script is not a valid analysis'],
    [66, 'a file does not exist'],
  ] as const
  static override args = {
    file: requiredArguments({ description: 'scripts; - reads standard input' }),
  }

  protected async execute(): Promise<Output> {
    const inspector = await openInspector('validate', this.signal)
    try {
      const reports = await validateScripts(this.args.file, readScript, inspector.inspect)
      return validationOutput(reports, this.outputFormat)
    } finally {
      await inspector.close()
    }
  }
}
