import { KilnCommand } from '../../cli/base-command.ts'
import { requiredArguments } from '../../cli/flags/argument.ts'
import { parameterFlags, readParameters } from '../../cli/flags/parameters.ts'
import type { JsonObject, Output } from '../../cli/output/output.ts'
import { bulkOutput } from '../../cli/views/bulk.ts'
import type { KilnError } from '../../core/errors/index.ts'
import { type RetryOutcome, retryJobs } from '../../core/jobs/index.ts'

export default class JobRetry extends KilnCommand<typeof JobRetry> {
  static override summary = 'Queue new jobs like ones that have ended.'
  static override description =
    'The new job runs the newest version of the script with the parameters of the old one: --param changes single ones, --params replaces them all. It is linked to the old job, which stays as it is.'
  static override examples = [
    '<%= config.bin %> job retry 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77',
    '<%= config.bin %> job retry 0b0f9a5e-5e0e-4b8e-9a39-0d3b1c1f2a77 --param top=5',
    '<%= config.bin %> job list --status failed --since 24h -o name | xargs -r <%= config.bin %> job retry',
  ]
  static override exitCodeHelp = [
    [1, 'a job has not ended yet'],
    [24, 'some jobs were queued, others were not'],
    [65, 'the analysis is disabled, or does not take the parameters'],
    [66, 'there is no such job'],
  ] as const
  static override strict = false
  static override args = { id: requiredArguments({ description: 'ids of jobs that have ended' }) }
  static override flags = parameterFlags

  protected async execute(): Promise<Output> {
    const parameters = await readParameters(this.flags)
    const replacesAll = this.flags.params !== undefined
    const context = await this.contextAfterSweep()
    const outcomes = await retryJobs(context, this.args.id, (definition, before) => ({
      ...(replacesAll ? {} : before),
      ...parameters.for(definition),
    }))
    return bulkOutput(outcomes.map(outcomeJson), {
      good: ['queued'],
      empty: 'no jobs',
      errors: outcomes.flatMap(({ error }) => error ?? []),
    })
  }
}

function outcomeJson({ id, job, error }: RetryOutcome): JsonObject {
  return {
    id,
    outcome: error ? outcomeOf(error) : 'queued',
    new_job_id: job?.id ?? null,
    analysis_name: job?.analysisName ?? null,
    error_code: error?.code ?? null,
    error_message: error?.message ?? null,
  }
}

function outcomeOf(error: KilnError): string {
  if (error.code === 'JOB_NOT_FOUND') return 'not_found'
  return error.code === 'JOB_NOT_FINISHED' ? 'not_finished' : 'refused'
}
