import { Flags } from '@oclif/core'
import { rejectionOf } from '../../cli/base-command.ts'
import { CiCommand } from '../../cli/ci/ci-command.ts'
import { ciFlags } from '../../cli/ci/report-to-ci.ts'
import { requiredArguments } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { readScript } from '../../cli/read-script.ts'
import { scriptCases, validationOutput } from '../../cli/views/script-report.ts'
import {
  type ProjectNames,
  openInspector,
  projectNames,
  validateScripts,
} from '../../core/analyses/index.ts'

export default class AnalysisValidate extends CiCommand<typeof AnalysisValidate> {
  static override summary = 'Check scripts without storing them.'
  static override description =
    'Prints a line for each problem: file:line:column: message. Scripts that are given together are checked for circles of dependencies too. Needs no database, unless --project asks whether declared datasources and analyses exist there; an analysis may also be one of the files.'
  static override examples = [
    '<%= config.bin %> analysis validate examples/*.js',
    '<%= config.bin %> analysis validate delays.ts --project flights --json',
    '<%= config.bin %> analysis validate examples/*.js --ci github --junit report.xml',
  ]
  static override environmentHelp = [
    ['GITHUB_STEP_SUMMARY', 'file of the summary of the step, with --ci'],
  ] as const
  static override exitCodeHelp = [
    [1, 'a script is not a valid analysis'],
    [66, 'a file does not exist'],
  ] as const
  static override args = {
    file: requiredArguments({ description: 'scripts; - reads standard input' }),
  }
  static override flags = {
    ...ciFlags,
    project: Flags.string({
      description: 'look for declared datasources and analyses in this project',
      helpValue: 'ID',
    }),
  }

  protected get subject(): string {
    return this.args.file.join(' ')
  }

  protected async execute(): Promise<Output> {
    const { project } = this.flags
    const names = project === undefined ? undefined : await this.namesOf(project)
    const inspector = await openInspector('validate', this.signal)
    try {
      // Reading standard input, and what a script does when it is loaded, know of no signal.
      const reports = await Promise.race([
        validateScripts(this.args.file, {
          read: readScript,
          inspect: inspector.inspect,
          project: names,
        }),
        rejectionOf(this.signal),
      ])
      await this.report(scriptCases(reports))
      return validationOutput(reports, this.outputFormat)
    } finally {
      await inspector.close()
    }
  }

  private async namesOf(project: string): Promise<ProjectNames> {
    return projectNames(await this.context(), project)
  }
}
