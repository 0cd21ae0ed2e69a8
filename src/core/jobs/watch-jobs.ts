import type { Context } from '../context.ts'
import { delay } from '../os/index.ts'
import { type JobSummary, finalStatuses } from './job.ts'
import { type JobFilter, listJobs } from './list-jobs.ts'
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
 * watches the running ones learns how they ended.
 */
export async function* watchJobs(
  context: Pick<Context, 'database' | 'log' | 'signal'>,
  filter: JobFilter,
  intervalMs: number,
): AsyncGenerator<JobChanges> {
  let seen = new Map<string, string>()
  let unfinished: readonly string[] = []
  for (;;) {
    await sweepInPassing(context)
    const { jobs } = await listJobs(context, filter)
    const listed = new Set(jobs.map((job) => job.id))
    const gone = await readJobs(
      context,
      unfinished.filter((id) => !listed.has(id)),
    )
    const all = [...jobs, ...gone]
    const states = new Map(all.map((job) => [job.id, JSON.stringify(job)]))
    const changed = all.filter((job) => seen.get(job.id) !== states.get(job.id))
    yield { jobs, changed: changed.sort(byCreation) }
    seen = states
    unfinished = all.filter((job) => !finalStatuses.includes(job.status)).map((job) => job.id)
    await delay(intervalMs, context.signal)
  }
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
