import type { RunnableAnalysis } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { checkRequest } from './check-request.ts'
import { type EnqueuedJob, enqueueJob } from './enqueue-job.ts'
import { sweepLostExecutors } from './sweep-lost-executors.ts'

export interface EnqueueAnalysisInput {
  readonly analysis: RunnableAnalysis
  readonly parameters: Readonly<Record<string, unknown>>
  readonly triggeredBy: string
  readonly idempotencyKey?: string
}

/**
 * Queues a job of an analysis after checking what is asked for.
 *
 * @throws KilnError ANALYSIS_INACTIVE, PARAMETER_INVALID.
 */
export async function enqueueAnalysis(
  context: Pick<Context, 'database' | 'clock'>,
  input: EnqueueAnalysisInput,
): Promise<EnqueuedJob> {
  const { analysis, parameters } = input
  checkRequest(context, analysis, parameters)
  await sweepLostExecutors(context.database.queries)
  return enqueueJob(context.database.queries, {
    analysisId: analysis.id,
    versionNumber: analysis.versionNumber,
    parameters,
    triggeredBy: input.triggeredBy,
    ...(input.idempotencyKey === undefined ? {} : { idempotencyKey: input.idempotencyKey }),
  })
}
