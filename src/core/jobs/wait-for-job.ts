import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { delay } from '../os/index.ts'
import { getJob } from './get-job.ts'
import { type Job, finalStatuses } from './job.ts'
import { sweepLostExecutors } from './sweep-lost-executors.ts'

/** How often the rows are looked at; no notification tells of an end. */
const lookEveryMs = 250

/**
 * Waits until a job has ended. Dead executors are looked for meanwhile, so that a job whose
 * executor died does not keep the caller waiting for ever.
 *
 * @throws KilnError JOB_NOT_FOUND, WAIT_TIMEOUT; the signal's reason when it is aborted.
 */
export async function waitForJob(
  context: Pick<Context, 'database' | 'signal' | 'clock'>,
  jobId: string,
  options: { readonly timeoutMs?: number; readonly onLook?: (job: Job) => Promise<void> } = {},
): Promise<Job> {
  const startedAt = context.clock.monotonic()
  for (;;) {
    await sweepLostExecutors(context.database.queries)
    const job = await getJob(context, jobId)
    await options.onLook?.(job)
    if (finalStatuses.includes(job.status)) return job
    const waited = context.clock.monotonic() - startedAt
    if (options.timeoutMs !== undefined && waited >= options.timeoutMs) {
      throw new KilnError('WAIT_TIMEOUT', `job ${jobId} is still ${job.status}, and goes on`, {
        hint: `run: kiln job show ${jobId}`,
        details: { job_id: jobId, status: job.status },
      })
    }
    await delay(lookEveryMs, context.signal)
  }
}
