import { KilnCommand } from '../cli/base-command.ts'
import type { Output } from '../cli/output/output.ts'
import { logLineText } from '../cli/views/log-line.ts'
import { runOutput } from '../cli/views/run.ts'
import { runAnalysis } from '../core/executor/index.ts'
import { getJob } from '../core/jobs/index.ts'
import { migrateUp } from '../core/migrate/index.ts'
import { setUpExamples } from '../core/quickstart/index.ts'

export default class Quickstart extends KilnCommand<typeof Quickstart> {
  static override summary = 'Set up the examples and run one: a tour of the main job.'
  static override description =
    'Starts the private Postgres unless DATABASE_URL is set, migrates, creates datasources and analyses in the project "examples", runs one and prints its result. Safe to repeat.'
  static override examples = ['<%= config.bin %> quickstart', '<%= config.bin %> quickstart --json']
  static override exitCodeHelp = [[20, 'the example failed']] as const

  protected override get endsItself(): boolean {
    return true
  }

  protected override get needsSchema(): boolean {
    return false
  }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    const { target } = context.database
    this.step(target.isPrivate ? `private Postgres in ${context.settings.dataDir}` : target.label)
    const applied = await migrateUp(context)
    this.step(`schema up to date (${applied.length} migrations applied)`)
    const { first } = await setUpExamples(context, (text) => this.step(text))
    this.step(`running ${first.name}`)
    this.say('')
    const end = await runAnalysis(context, {
      analysis: first,
      parameters: {},
      programVersion: this.config.version,
      triggeredBy: 'quickstart',
      onLogLine: (line) => this.say(logLineText(line)),
    })
    this.say('')
    const output = await runOutput(context, await getJob(context, end.jobId), {
      asTable: true,
      end,
    })
    process.once('exit', (code) => {
      if (code === 0) this.say(nextSteps)
    })
    return output
  }

  private step(text: string): void {
    this.say(`ok  ${text}`)
  }
}

const nextSteps = `
Next, for example:
  bin/kiln analysis list
  bin/kiln analysis run bird-strikes -p phase=Approach
  bin/kiln job list
  bin/kiln analysis show airport-punctuality --script
  bin/kiln --help`
