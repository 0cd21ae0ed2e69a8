import { type RunnableAnalysis, resolveParameters } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { type EnqueueInput, type EnqueuedJob, enqueueJob } from './enqueue-job.ts'
import { sweepLostExecutors } from './sweep-lost-executors.ts'

export interface EnqueueAnalysisInput extends Pick<
  EnqueueInput,
  'triggeredBy' | 'idempotencyKey' | 'priority' | 'runAt'
> {
  readonly analysis: RunnableAnalysis
  readonly parameters: Readonly<Record<string, unknown>>
}

/**
 * Queues a job of an analysis after checking its parameters, so that a mistake is told to the
 * caller and not found in a failed job.
 *
 * @throws KilnError PARAMETER_INVALID.
 */
export async function enqueueAnalysis(
  context: Pick<Context, 'database' | 'clock'>,
  input: EnqueueAnalysisInput,
): Promise<EnqueuedJob> {
  const { analysis, parameters, ...rest } = input
  if (analysis.definition) {
    resolveParameters(analysis.definition, parameters, {
      now: new Date(context.clock.now()).toISOString(),
      timezone: 'UTC',
    })
  }
  await sweepLostExecutors(context.database.queries)
  return enqueueJob(context.database.queries, {
    analysisId: analysis.id,
    versionNumber: analysis.versionNumber,
    parameters,
    ...rest,
  })
}
