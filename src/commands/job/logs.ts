import { Flags } from '@oclif/core'
import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import { instantFlag } from '../../cli/flags/instant.ts'
import type { Output } from '../../cli/output/output.ts'
import { logLines } from '../../cli/views/log-lines.ts'
import { followJobLogs, getJob, logLevels, readAllJobLogs } from '../../core/jobs/index.ts'

export default class JobLogs extends KilnCommand<typeof JobLogs> {
  static override summary = 'Print the log lines of a job.'
  static override readsOnly = true
  static override description =
    'With --follow also those that come, until the job has ended; Ctrl-C ends only the following. JSON is then one object a line.'
  static override examples = [
    '<%= config.bin %> job logs 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77',
    '<%= config.bin %> job logs 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 --follow --since 5m',
    '<%= config.bin %> job logs 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 --level warn -o jsonl',
  ]
  static override exitCodeHelp = [
    [66, 'there is no such job'],
    [130, 'interrupted while following; the job goes on'],
  ] as const
  static override args = { id: requiredArgument({ description: 'id of the job' }) }
  static override flags = {
    follow: Flags.boolean({ char: 'f', description: 'go on until the job has ended' }),
    since: instantFlag({ description: 'lines logged since' }),
    level: Flags.option({
      options: logLevels,
      description: 'lines of this level and above',
      helpValue: 'LEVEL',
    })(),
  }

  protected async execute(): Promise<Output | void> {
    const { since, level } = this.flags
    const filter = { ...(since ? { since } : {}), ...(level ? { level } : {}) }
    const context = await this.contextAfterSweep()
    if (this.flags.follow) {
      const stream = this.openListStream()
      const { onAway } = this
      for await (const lines of followJobLogs(context, this.args.id, filter, { onAway })) {
        stream.write(logLines(lines))
      }
      return undefined
    }
    const job = await getJob(context, this.args.id)
    return logLines(await readAllJobLogs(context.database.queries, job.id, filter))
  }
}
