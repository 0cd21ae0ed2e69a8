import type { RunnableAnalysis } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { checkRequest } from './check-request.ts'
import { type EnqueueInput, type EnqueuedJob, enqueueJob } from './enqueue-job.ts'
import { sweepInPassing } from './sweep-lost-executors.ts'

export interface EnqueueAnalysisInput extends Pick<
  EnqueueInput,
  'triggeredBy' | 'idempotencyKey' | 'priority' | 'runAt'
> {
  readonly analysis: RunnableAnalysis
  readonly parameters: Readonly<Record<string, unknown>>
}

/**
 * Queues a job of an analysis after checking what is asked for.
 *
 * @throws KilnError ANALYSIS_INACTIVE, PARAMETER_INVALID, IDEMPOTENCY_KEY_USED.
 */
export async function enqueueAnalysis(
  context: Pick<Context, 'database' | 'log' | 'clock'>,
  input: EnqueueAnalysisInput,
): Promise<EnqueuedJob> {
  const { analysis, parameters, ...rest } = input
  checkRequest(context, analysis, parameters)
  await sweepInPassing(context)
  return enqueueJob(context.database.queries, {
    analysisId: analysis.id,
    versionNumber: analysis.versionNumber,
    parameters,
    ...rest,
  })
}
