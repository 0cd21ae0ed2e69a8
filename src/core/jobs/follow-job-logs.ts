import type { Context } from '../context.ts'
import { delay } from '../os/index.ts'
import { getJob } from './get-job.ts'
import { type Job, finalStatuses } from './job.ts'
import { type JobLogFilter, type JobLogLine, pageLines, readJobLogs } from './job-logs.ts'
import { Patience, type PatienceOptions, patientContext } from './patience.ts'
import { sweepInPassing } from './sweep-lost-executors.ts'

/** How often new lines are looked for; executors store them in batches about as often. */
const lookEveryMs = 300

/**
 * How long a job that was cancelled while it ran may still get lines: its executor stops the
 * script within a second and stores the rest, unless it has died.
 */
const lateLinesMs = 3000

/**
 * The lines of a job as they are stored, in batches, until the job has ended and all were given. A
 * database that is away is waited for, a minute unless told.
 *
 * @throws KilnError JOB_NOT_FOUND, also when the job is deleted meanwhile; the signal's reason when
 *   it is aborted.
 */
export async function* followJobLogs(
  given: Pick<Context, 'database' | 'log' | 'signal' | 'clock'>,
  jobId: string,
  filter: JobLogFilter = {},
  options: PatienceOptions = {},
): AsyncGenerator<readonly JobLogLine[]> {
  const context = patientContext(given)
  const { queries } = context.database
  let last: JobLogLine | undefined
  let endedAt: number | undefined
  const patience = new Patience(context, options)
  for (;;) {
    // The job first: lines are stored before the end is, so a job that has ended has all of them.
    const job = await patience.look(async () => {
      await sweepInPassing(context)
      return getJob(context, jobId)
    })
    if (finalStatuses.includes(job.status)) endedAt ??= context.clock.monotonic()
    for (;;) {
      const after = last
      const lines = await patience.look(() => readJobLogs(queries, jobId, after, filter))
      if (lines.length > 0) yield lines
      last = lines.at(-1) ?? last
      if (lines.length < pageLines) break
    }
    if (
      endedAt !== undefined &&
      (!mayGetLines(job) || context.clock.monotonic() - endedAt > lateLinesMs)
    ) {
      return
    }
    await delay(lookEveryMs, context.signal)
  }
}

/** The executor of a cancelled job clears the lease token when it has stored all it knows. */
const mayGetLines = (job: Job): boolean => job.status === 'cancelled' && job.leaseToken !== null
