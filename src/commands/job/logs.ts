import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { plainText } from '../../cli/output/render.ts'
import { logLineJson, logLineText } from '../../cli/views/log-line.ts'
import { getJob, readAllJobLogs, sweepLostExecutors } from '../../core/jobs/index.ts'

export default class JobLogs extends KilnCommand<typeof JobLogs> {
  static override summary = 'Print the log lines of a job.'
  static override examples = [
    '<%= config.bin %> job logs 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77',
    '<%= config.bin %> job logs 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 -o jsonl',
  ]
  static override exitCodeHelp = [[66, 'there is no such job']] as const
  static override args = { id: requiredArgument({ description: 'id of the job' }) }

  protected async execute(): Promise<Output> {
    const context = await this.context()
    await sweepLostExecutors(context.database.queries)
    const job = await getJob(context, this.args.id)
    const lines = await readAllJobLogs(context.database.queries, job.id)
    return {
      kind: 'list',
      items: lines.map(logLineJson),
      columns: [],
      lines: lines.map(logLineText),
      name: (line) => `${plainText(line.attempt)}/${plainText(line.line_number)}`,
      empty: `job ${job.id} logged nothing`,
    }
  }
}
