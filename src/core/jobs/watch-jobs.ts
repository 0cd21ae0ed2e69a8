import type { Context } from '../context.ts'
import { delay } from '../os/index.ts'
import { type JobSummary, finalStatuses } from './job.ts'
import { jobJson } from './job-json.ts'
import { type JobFilter, listJobs } from './list-jobs.ts'
import { Patience, type PatienceOptions, patientContext } from './patience.ts'
import { selectJobSummaries } from './select-jobs.ts'
import { sweepInPassing } from './sweep-lost-executors.ts'

/** One look of a watch. */
export interface JobChanges {
  /** The list as it is now. */
  readonly jobs: readonly JobSummary[]
  /**
   * Jobs that are new in the list or look different from the last look, oldest first: also those
   * that left it because they no longer match.
   */
  readonly changed: readonly JobSummary[]
}

/**
 * Looks at a list of jobs again and again, and gives each look; ends only by the signal. A job that
 * was seen unfinished is followed to its end even when the list no longer has it, so that who
 * watches the running ones learns how they ended. A database that is away is waited for, a minute
 * unless told.
 */
export async function* watchJobs(
  given: Pick<Context, 'database' | 'log' | 'signal' | 'clock'>,
  filter: JobFilter,
  intervalMs: number,
  options: PatienceOptions = {},
): AsyncGenerator<JobChanges> {
  const context = patientContext(given)
  let seen = new Map<string, string>()
  let unfinished: readonly string[] = []
  const patience = new Patience(context, options)
  for (;;) {
    const followed = unfinished
    const { jobs, all } = await patience.look(() => readLook(context, filter, followed))
    // What is shown: a lease or a place in the queue comes and goes, and who watches sees neither.
    const states = new Map(all.map((job) => [job.id, JSON.stringify(jobJson(job))]))
    const changed = all.filter((job) => seen.get(job.id) !== states.get(job.id))
    yield { jobs, changed: changed.sort(byCreation) }
    seen = states
    unfinished = all.filter((job) => !finalStatuses.includes(job.status)).map((job) => job.id)
    await delay(intervalMs, context.signal)
  }
}

async function readLook(
  context: Pick<Context, 'database' | 'log'>,
  filter: JobFilter,
  unfinished: readonly string[],
): Promise<{ readonly jobs: readonly JobSummary[]; readonly all: readonly JobSummary[] }> {
  await sweepInPassing(context)
  const { jobs } = await listJobs(context, filter)
  const listed = new Set(jobs.map((job) => job.id))
  const gone = await readJobs(
    context,
    unfinished.filter((id) => !listed.has(id)),
  )
  return { jobs, all: [...jobs, ...gone] }
}

async function readJobs(
  { database }: Pick<Context, 'database'>,
  ids: readonly string[],
): Promise<JobSummary[]> {
  if (ids.length === 0) return []
  const rows = await selectJobSummaries(database.queries)
    .where('analysisJobs.id', 'in', ids)
    .execute()
  return rows as JobSummary[]
}

const byCreation = (a: JobSummary, b: JobSummary): number =>
  Date.parse(a.createdAt) - Date.parse(b.createdAt)
