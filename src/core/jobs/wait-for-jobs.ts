import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { delay } from '../os/index.ts'
import { getJob, getJobSummaries } from './get-job.ts'
import { type Job, type JobSummary, finalStatuses } from './job.ts'
import { Patience, type PatienceOptions, patientContext } from './patience.ts'
import { sweepInPassing } from './sweep-lost-executors.ts'

/** How often the rows are looked at; no notification tells of an end. */
const lookEveryMs = 250

export interface WaitOptions extends PatienceOptions {
  /** Return when the first has ended. */
  readonly any?: boolean
}

type WaitContext = Pick<Context, 'database' | 'log' | 'signal' | 'clock'>

/**
 * Waits until all jobs have ended and returns them in the order given; with `any` until one has,
 * and returns the one that ended first. Dead executors are looked for meanwhile, so that a job
 * whose executor died does not keep the caller waiting for ever. A database that is away is waited
 * for, as long as the timeout lasts or for a minute.
 *
 * @throws KilnError USAGE for text that is no id, JOB_NOT_FOUND, WAIT_TIMEOUT; the signal's reason
 *   when it is aborted.
 */
export async function waitForJobs(
  given: WaitContext,
  ids: readonly string[],
  { any = false, ...options }: WaitOptions = {},
): Promise<readonly JobSummary[]> {
  const { timeoutMs } = options
  const context = patientContext(given)
  const startedAt = context.clock.monotonic()
  const patience = new Patience(context, options)
  for (;;) {
    const jobs = await patience.look(async () => {
      await sweepInPassing(context)
      // One statement a look, however many jobs they are.
      return getJobSummaries(context, ids)
    })
    const ended = jobs.filter((job) => finalStatuses.includes(job.status))
    if (any && ended.length > 0) return ended.sort(byEnd).slice(0, 1)
    if (ended.length === jobs.length) return jobs
    if (timeoutMs !== undefined && context.clock.monotonic() - startedAt >= timeoutMs) {
      throw waitTimeout(jobs)
    }
    await delay(lookEveryMs, context.signal)
  }
}

/** The same for one job, which comes with its result. */
export async function waitForJob(
  given: WaitContext,
  jobId: string,
  options: PatienceOptions = {},
): Promise<Job> {
  await waitForJobs(given, [jobId], options)
  const context = patientContext(given)
  return new Patience(context, options).look(() => getJob(context, jobId))
}

const byEnd = (a: JobSummary, b: JobSummary): number =>
  // Somebody may have inserted it as ended, and without the time.
  Date.parse(a.completedAt ?? a.createdAt) - Date.parse(b.completedAt ?? b.createdAt)

function waitTimeout(jobs: readonly JobSummary[]): KilnError {
  const open = jobs.filter((job) => !finalStatuses.includes(job.status))
  const [first] = open
  const message =
    open.length === 1
      ? `job ${first?.id} is still ${first?.status}, and goes on`
      : `${open.length} of ${jobs.length} jobs have not ended, and go on`
  return new KilnError('WAIT_TIMEOUT', message, {
    hint: `run: kiln job show ${first?.id}`,
    details: { jobs: open.map(({ id, status }) => ({ id, status })) },
  })
}
