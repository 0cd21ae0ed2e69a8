import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { enqueueJob } from './enqueue-job.ts'
import { getJob } from './get-job.ts'
import { type Job, finalStatuses } from './job.ts'

export interface RetriedJob {
  /** The new job. */
  readonly id: string
  readonly retryOf: string
  readonly analysisName: string
}

/**
 * Queues a new job with the analysis and parameters of one that has ended, linked to it. It runs
 * the newest version of the script: who retries a failure has most likely mended it.
 *
 * @throws KilnError JOB_NOT_FOUND, JOB_NOT_FINISHED.
 */
export async function retryJob(
  context: Pick<Context, 'database' | 'operator'>,
  id: string,
  parameters?: Readonly<Record<string, unknown>>,
): Promise<RetriedJob> {
  const job = await getJob(context, id)
  requireEnded(job)
  return context.database.queries.transaction().execute(async (transaction) => {
    const created = await enqueueJob(transaction, {
      analysisId: job.analysisId,
      versionNumber: null,
      parameters: parameters ?? job.parameters ?? {},
      triggeredBy: 'retry',
      priority: job.priority,
      maxAttempts: job.maxAttempts,
      retryOf: job.id,
    })
    await recordAudit(transaction, context.operator, {
      action: 'job.retry',
      targetType: 'job',
      targetId: job.id,
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
    {
      hint: `wait for it: kiln job wait ${job.id}`,
    },
  )
}
