import { Flags } from '@oclif/core'
import { CiCommand } from '../cli/ci/ci-command.ts'
import { ciFlags } from '../cli/ci/report-to-ci.ts'
import type { CiCase } from '../cli/ci/report.ts'
import { requiredArgument } from '../cli/flags/argument.ts'
import type { Output } from '../cli/output/output.ts'
import { caseLine, testCases, testsOutput } from '../cli/views/testing.ts'
import { loadSettings } from '../core/config/index.ts'
import { systemClock } from '../core/os/index.ts'
import { type CaseReport, runTests } from '../core/testing/index.ts'

export default class Test extends CiCommand<typeof Test> {
  static override summary = 'Run the tests of a folder of analyses, in the sandbox that jobs get.'
  static override description =
    'A test is NAME.test.json beside NAME.js or NAME.ts: parameters, data for the datasources, and the result that is expected. Needs no database and no service. See docs/testing.md.'
  static override examples = [
    '<%= config.bin %> test examples',
    '<%= config.bin %> test analyses --filter delays --json',
    '<%= config.bin %> test analyses --ci github --junit report.xml',
  ]
  static override environmentHelp = [
    ['GITHUB_STEP_SUMMARY', 'file of the summary of the step, with --ci'],
  ] as const
  static override exitCodeHelp = [
    [1, 'a test failed'],
    [66, 'there is no such folder, or no such test in it'],
  ] as const
  static override args = { folder: requiredArgument({ description: 'folder of analyses' }) }
  static override flags = {
    ...ciFlags,
    filter: Flags.string({
      description: 'only test files whose path contains this',
      helpValue: 'TEXT',
    }),
    logs: Flags.boolean({ description: 'print what the scripts log, also of tests that pass' }),
  }

  private readonly ended: CaseReport[] = []

  protected get subject(): string {
    return this.args.folder
  }

  protected override get casesSoFar(): readonly CiCase[] {
    return testCases(this.ended, this.args.folder)
  }

  protected async execute(): Promise<Output> {
    const { folder } = this.args
    const { settings } = loadSettings()
    const reports = await runTests(
      { settings, clock: systemClock, signal: this.signal },
      {
        folder,
        filter: this.flags.filter,
        onCase: (report) => {
          this.ended.push(report)
          this.say(caseLine(report, Boolean(this.flags.logs)))
        },
      },
    )
    await this.report(testCases(reports, folder))
    return testsOutput(reports)
  }
}
