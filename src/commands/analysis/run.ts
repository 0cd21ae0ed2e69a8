import { Flags } from '@oclif/core'
import { CiCommand } from '../../cli/ci/ci-command.ts'
import { ciFlags } from '../../cli/ci/report-to-ci.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { durationFlag } from '../../cli/flags/duration.ts'
import { parameterFlags, readParameters } from '../../cli/flags/parameters.ts'
import type { Output } from '../../cli/output/output.ts'
import { jobCase } from '../../cli/views/job-case.ts'
import { runOutput } from '../../cli/views/run.ts'
import { logLineText } from '../../cli/views/log-line.ts'
import { findOrStoreAnalysis } from '../../core/analyses/index.ts'
import { runAnalysis } from '../../core/executor/index.ts'
import { enqueueAnalysis, getJob, waitForJob } from '../../core/jobs/index.ts'

export default class AnalysisRun extends CiCommand<typeof AnalysisRun> {
  static override summary = 'Run an analysis and print its result.'
  static override description = `The analysis is named, or a script file: a new file becomes an analysis, a changed one a new version of it.
Runs here, in a sandbox; Ctrl-C cancels the job. With --queue a running service runs it and this waits; with --detach it only queues.`
  static override examples = [
    '<%= config.bin %> analysis run bird-strikes --param phase=Approach --param top=3',
    '<%= config.bin %> analysis run examples/dry-spells.js --project examples --json',
    '<%= config.bin %> analysis run airport-punctuality --queue --timeout 10m',
    '<%= config.bin %> analysis run dry-spells --ci github --junit report.xml',
  ]
  static override environmentHelp = [
    ['GITHUB_STEP_SUMMARY', 'file of the summary of the step, with --ci'],
  ] as const
  static override exitCodeHelp = [
    [20, 'the job failed'],
    [21, 'the job was cancelled'],
    [22, 'the job hit its time, memory, CPU or result limit'],
    [23, 'the executor of the job died (try again)'],
    [65, 'a parameter is missing, unknown or of a wrong type'],
    [66, 'there is no such analysis or file'],
    [75, 'the analysis runs as many jobs as it allows (try again)'],
    [78, 'with --require-isolation: no layer but this account separates the script from Kiln'],
    [124, '--timeout ran out while the queued job goes on'],
    [130, 'interrupted; a job that ran here is cancelled'],
  ] as const
  static override args = {
    analysis: requiredArgument({ description: 'name or id of an analysis, or a script file' }),
  }
  static override flags = {
    ...ciFlags,
    ...parameterFlags,
    project: Flags.string({ description: 'project of the analysis', helpValue: 'ID' }),
    version: Flags.integer({ description: 'run this version', min: 1, helpValue: 'N' }),
    timeout: durationFlag({
      description: 'limit of a job that runs here; with --queue how long to wait',
    }),
    queue: Flags.boolean({
      description: 'let a running service run it, and wait',
      exclusive: ['detach'],
    }),
    'require-isolation': Flags.boolean({
      description:
        'refuse to run where the script would share this account (see kiln sandbox check)',
      exclusive: ['queue', 'detach'],
    }),
    detach: Flags.boolean({
      description: 'queue it and print the id of the job',
      // It does not wait for what they are about: kiln job wait does.
      exclusive: ['timeout', 'ci', 'junit'],
    }),
  }

  protected get subject(): string {
    return this.args.analysis
  }

  protected async execute(): Promise<Output> {
    const parameters = await readParameters(this.flags)
    const context = await this.contextAfterSweep()
    const { analysis, remark } = await findOrStoreAnalysis(context, this.args.analysis, {
      projectId: this.flags.project,
      version: this.flags.version,
    })
    if (remark) this.say(remark)
    const resolved = parameters.for(analysis.definition)
    if (this.flags.queue || this.flags.detach) return this.enqueue(analysis, resolved)
    const end = await runAnalysis(context, {
      analysis,
      parameters: resolved,
      programVersion: this.config.version,
      triggeredBy: 'cli',
      requireIsolation: this.flags['require-isolation'],
      ...(this.flags.timeout === undefined ? {} : { timeoutMs: this.flags.timeout }),
      onLogLine: (line) => this.say(logLineText(line)),
      onAway: this.onAway,
    })
    const job = await getJob(context, end.jobId)
    await this.report([jobCase(job)])
    return runOutput(context, job, { asTable: this.asksForTable, end })
  }

  private async enqueue(
    analysis: Parameters<typeof enqueueAnalysis>[1]['analysis'],
    parameters: Readonly<Record<string, unknown>>,
  ): Promise<Output> {
    const context = await this.contextAfterSweep()
    const { id } = await enqueueAnalysis(context, { analysis, parameters, triggeredBy: 'cli' })
    if (this.flags.detach) {
      return { kind: 'record', record: { id, status: 'pending' }, text: id, name: id }
    }
    this.say(`queued as job ${id}; waiting (Ctrl-C stops waiting, the job goes on)`)
    const { timeout } = this.flags
    const { onAway } = this
    const job = await waitForJob(context, id, { timeoutMs: timeout, onAway })
    await this.report([jobCase(job)])
    return runOutput(context, job, { asTable: this.asksForTable })
  }
}
