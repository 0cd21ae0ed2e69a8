import { Flags } from '@oclif/core'
import { CiCommand } from '../../cli/ci/ci-command.ts'
import { ciFlags } from '../../cli/ci/report-to-ci.ts'
import { requiredArguments } from '../../cli/flags/argument.ts'
import { durationFlag } from '../../cli/flags/duration.ts'
import type { Output } from '../../cli/output/output.ts'
import { jobCase } from '../../cli/views/job-case.ts'
import { jobList } from '../../cli/views/job-list.ts'
import { waitForJobs, worstJobError } from '../../core/jobs/index.ts'

export default class JobWait extends CiCommand<typeof JobWait> {
  static override summary = 'Wait until jobs have ended; the exit code is that of the worst.'
  static override description =
    'Ctrl-C stops the waiting; the jobs go on. Jobs whose executor died are found meanwhile.'
  static override examples = [
    '<%= config.bin %> job wait 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 --timeout 20m',
    '<%= config.bin %> job list --status pending -o name | xargs -r <%= config.bin %> job wait --any',
  ]
  static override environmentHelp = [
    ['GITHUB_STEP_SUMMARY', 'file of the summary of the step, with --ci'],
  ] as const
  static override exitCodeHelp = [
    [20, 'a job failed'],
    [21, 'a job was cancelled'],
    [22, 'a job hit its time, memory, CPU or result limit'],
    [23, 'the executor of a job died (try again)'],
    [66, 'there is no such job'],
    [124, '--timeout ran out; the jobs go on'],
  ] as const
  static override strict = false
  static override args = { id: requiredArguments({ description: 'ids of jobs' }) }
  static override flags = {
    ...ciFlags,
    any: Flags.boolean({ description: 'return when the first one has ended' }),
    timeout: durationFlag({ description: 'how long to wait' }),
  }

  protected get subject(): string {
    return this.args.id.join(' ')
  }

  protected async execute(): Promise<Output> {
    const { any, timeout } = this.flags
    const jobs = await waitForJobs(await this.contextAfterSweep(), this.args.id, {
      any,
      onAway: this.onAway,
      ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    })
    await this.report(jobs.map(jobCase))
    const error = worstJobError(jobs)
    return {
      ...jobList(jobs, null),
      ...(error ? { error } : {}),
    }
  }
}
