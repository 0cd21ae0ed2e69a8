import { Flags } from '@oclif/core'
import { KilnCommand } from '../cli/base-command.ts'
import { ciFlags, reportToCi } from '../cli/ci/report-to-ci.ts'
import { requiredArgument } from '../cli/flags/argument.ts'
import type { Output } from '../cli/output/output.ts'
import { caseLine, testCases, testsOutput } from '../cli/views/testing.ts'
import { loadSettings } from '../core/config/index.ts'
import { systemClock } from '../core/os/index.ts'
import { runTests } from '../core/testing/index.ts'

export default class Test extends KilnCommand<typeof Test> {
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

  protected override get endsItself(): boolean {
    return true
  }

  protected async execute(): Promise<Output> {
    const { folder } = this.args
    const { settings } = loadSettings()
    const reports = await runTests(
      { settings, clock: systemClock, signal: this.signal },
      {
        folder,
        filter: this.flags.filter,
        onCase: (report) => this.say(caseLine(report, Boolean(this.flags.logs))),
      },
    )
    await reportToCi(this.flags, 'kiln test', testCases(reports, folder))
    return testsOutput(reports)
  }
}
