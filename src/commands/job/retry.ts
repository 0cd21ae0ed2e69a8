import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArguments } from '../../cli/flags/argument.ts'
import { parameterFlags, readParameters } from '../../cli/flags/parameters.ts'
import type { JsonObject, Output } from '../../cli/output/output.ts'
import { bulkOutput } from '../../cli/views/bulk.ts'
import { findRunnable } from '../../core/analyses/index.ts'
import type { Context } from '../../core/context.ts'
import { isKilnError } from '../../core/errors/index.ts'
import { getJob, retryJob, sweepLostExecutors } from '../../core/jobs/index.ts'

export default class JobRetry extends KilnCommand<typeof JobRetry> {
  static override summary = 'Queue new jobs like ones that have ended.'
  static override description =
    'The new job has the same parameters unless others are given, runs the newest version of the script, and is linked to the old one, which stays as it is.'
  static override examples = [
    '<%= config.bin %> job retry 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77',
    '<%= config.bin %> job list --status failed --since 24h -o name | xargs -r <%= config.bin %> job retry',
  ]
  static override exitCodeHelp = [
    [1, 'a job has not ended yet'],
    [24, 'some jobs were queued, others were not'],
    [66, 'there is no such job'],
  ] as const
  static override strict = false
  static override args = { id: requiredArguments({ description: 'ids of jobs that have ended' }) }
  static override flags = parameterFlags

  protected async execute(): Promise<Output> {
    const parameters = await readParameters(this.flags)
    const context = await this.context()
    await sweepLostExecutors(context.database.queries)
    const isChanged = this.flags.param !== undefined || this.flags.params !== undefined
    const items: JsonObject[] = []
    for (const id of this.args.id) {
      items.push(await this.retry(context, id, isChanged ? parameters : undefined))
    }
    return bulkOutput(items, ['queued'], 'no jobs')
  }

  private async retry(
    context: Context,
    id: string,
    parameters: Awaited<ReturnType<typeof readParameters>> | undefined,
  ): Promise<JsonObject> {
    try {
      const job = parameters && (await getJob(context, id))
      const analysis = job && (await findRunnable(context, job.analysisId))
      const retried = await retryJob(context, id, parameters?.for(analysis?.definition ?? null))
      return { id, outcome: 'queued', new_job_id: retried.id, analysis_name: retried.analysisName }
    } catch (error) {
      if (isKilnError(error, 'JOB_NOT_FOUND')) return { id, outcome: 'not_found' }
      if (isKilnError(error, 'JOB_NOT_FINISHED')) return { id, outcome: 'not_finished' }
      throw error
    }
  }
}
