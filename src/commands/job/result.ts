import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { resultOutput } from '../../cli/views/result.ts'
import { getJob, sweepLostExecutors } from '../../core/jobs/index.ts'
import { readResult } from '../../core/results/index.ts'

export default class JobResult extends KilnCommand<typeof JobResult> {
  static override summary = 'Print what a job returned, as JSON.'
  static override description =
    'A result that is rows is a table on a terminal, and CSV with -o csv; into a pipe goes JSON.'
  static override examples = [
    '<%= config.bin %> job result 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77',
    '<%= config.bin %> job result 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 -o csv',
  ]
  static override exitCodeHelp = [
    [1, 'the job has not finished'],
    [20, 'the job failed and has no result'],
    [21, 'the job was cancelled and has no result'],
    [22, 'the job hit a limit and has no result'],
    [23, 'the executor of the job died'],
    [66, 'there is no such job'],
    [74, 'the stored result cannot be read here'],
  ] as const
  static override args = { id: requiredArgument({ description: 'id of the job' }) }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    await sweepLostExecutors(context.database.queries)
    const job = await getJob(context, this.args.id)
    return resultOutput(job.id, await readResult(context, job), this.asksForTable)
  }
}
