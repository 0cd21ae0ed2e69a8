import { type AnalysisDefinition, loadRunnable } from '../analyses/index.ts'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { checkRequest } from './check-request.ts'
import { enqueueJob } from './enqueue-job.ts'
import { getJob } from './get-job.ts'
import { type Job, finalStatuses } from './job.ts'

export interface RetriedJob {
  /** The new job. */
  readonly id: string
  readonly retryOf: string
  readonly analysisName: string
}

/** Parameters of the new job, from what the newest version declares and what the old job had. */
export type ChooseParameters = (
  definition: AnalysisDefinition | null,
  before: Readonly<Record<string, unknown>>,
) => Readonly<Record<string, unknown>>

type RetryContext = Pick<Context, 'database' | 'clock' | 'operator'>

/**
 * Queues a new job with the analysis and parameters of one that has ended, linked to it. It runs
 * the newest version of the script: who retries a failure has most likely mended it. Parameters
 * that this version does not take are refused here, and not found in one more failed job. That of a
 * scheduled job is for the same occurrence, whose days its relative dates mean.
 *
 * @throws KilnError USAGE, JOB_NOT_FOUND, JOB_NOT_FINISHED, ANALYSIS_INACTIVE, PARAMETER_INVALID.
 */
export async function retryJob(
  context: RetryContext,
  id: string,
  choose: ChooseParameters = (_definition, before) => before,
): Promise<RetriedJob> {
  const job = await getJob(context, id)
  requireEnded(job)
  const parameters = await parametersFor(context, job, choose)
  return context.database.queries.transaction().execute(async (transaction) => {
    const created = await enqueueJob(transaction, {
      analysisId: job.analysisId,
      versionNumber: null,
      parameters,
      triggeredBy: 'retry',
      priority: job.priority,
      maxAttempts: job.maxAttempts,
      retryOf: job.id,
      scheduledFor: job.scheduledFor,
      scheduleTimezone: job.scheduleTimezone,
    })
    await recordAudit(transaction, context.operator, {
      action: 'job.retry',
      targetType: 'job',
      targetId: job.id,
      // It stays as it has ended.
      before: { status: job.status },
      after: { status: job.status },
      details: { new_job_id: created.id },
    })
    return { id: created.id, retryOf: job.id, analysisName: job.analysisName }
  })
}

function requireEnded(job: Job): void {
  if (finalStatuses.includes(job.status)) return
  throw new KilnError(
    'JOB_NOT_FINISHED',
    `job ${job.id} is ${job.status}: there is nothing to retry yet`,
    { hint: `wait for it: kiln job wait ${job.id}` },
  )
}

async function parametersFor(
  context: RetryContext,
  job: Job,
  choose: ChooseParameters,
): Promise<Readonly<Record<string, unknown>>> {
  const analysis = await loadRunnable(context, job.analysisId)
  const parameters = choose(analysis.definition, objectOf(job.parameters))
  checkRequest(context, analysis, parameters, {
    ...(job.scheduledFor === null ? {} : { now: job.scheduledFor }),
    ...(job.scheduleTimezone === null ? {} : { timezone: job.scheduleTimezone }),
  })
  return parameters
}

/** A job row typed by hand may have anything in its parameters. */
const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}
