import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArgument } from '../../cli/flags/argument.ts'
import type { Output } from '../../cli/output/output.ts'
import { jobRecord } from '../../cli/views/job.ts'
import { getJob, listAttempts } from '../../core/jobs/index.ts'

export default class JobShow extends KilnCommand<typeof JobShow> {
  static override summary = 'Show one job: state, times, error and attempts.'
  static override readsOnly = true
  static override examples = [
    '<%= config.bin %> job show 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77',
    '<%= config.bin %> job show 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 --json',
  ]
  static override exitCodeHelp = [[66, 'there is no such job']] as const
  static override args = { id: requiredArgument({ description: 'id of the job' }) }

  protected async execute(): Promise<Output> {
    const context = await this.contextAfterSweep()
    const job = await getJob(context, this.args.id)
    return jobRecord(job, await listAttempts(context, job.id))
  }
}
