import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { type RunnableAnalysis, findRunnable } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import { isKilnError } from '../errors/index.ts'
import { type ClaimedJob, cancelJob, requestSlot, withdrawSlotRequest } from '../jobs/index.ts'
import { delay } from '../os/index.ts'
import type { ChildSlots } from './child-slots.ts'
import { HostFailure } from './host-failure.ts'
import type { InsertedJob } from './inserted-job.ts'
import type { JobEnd } from './job-end.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'

/** Analyses that call analyses that call analyses: past this it is a mistake. */
const maxDepth = 5

/** Between looks for a slot: soon for a child that runs briefly, and cheap for one that waits. */
const firstLookMs = 20
const lookEveryMs = 500

/** A child that outlives its parent's script is cancelled this soon. */
const cancelAgainMs = 500

export interface ChildRunner {
  readonly context: Context
  /**
   * Inserts and runs it; `onStart` is called when it is inserted. The signal ends the waiting for a
   * database that is away.
   */
  readonly run: (
    input: InsertedJob,
    options: { readonly signal: AbortSignal; readonly onStart: (jobId: string) => void },
  ) => Promise<JobEnd>
  readonly slots: ChildSlots
}

export interface ChildRequest {
  readonly parent: RunnableAnalysis
  readonly parentJob: ClaimedJob
  readonly name: string
  readonly parameters: Readonly<Record<string, unknown>>
}

/**
 * Runs another analysis of the same project as a child job, on the same executor, and returns the
 * JSON text of its result. The child has a sandbox of its own beyond the executor's concurrency, as
 * many at a time as `slots` has for its level. Under a limit of its analysis it waits for a slot of
 * that too, for as long as its parent may run.
 */
export async function runChild(
  { context, run, slots }: ChildRunner,
  { parent, parentJob, name, parameters }: ChildRequest,
  signal: AbortSignal,
): Promise<string> {
  const { queries } = context.database
  const retry = <T>(work: () => Promise<T>) => retryWhileDatabaseIsAway(work, { signal })
  const { projectId } = parent
  const analysis = await retry(() => findRunnable(context, name, { projectId }))
  const level = await retry(() => requireDescent(queries, parentJob, analysis))
  let childId: string | undefined
  let repeat: NodeJS.Timeout | undefined
  const cancel = () => {
    // The parent's script is gone; the cancel reaches the child by its lease. This one alone: the next
    // attempt of the parent may have children already. Again and again, since it may not be inserted
    // yet, and the database may be away.
    if (childId !== undefined) {
      void cancelJob(queries, childId, 'the parent job ended').catch(() => undefined)
    }
    repeat ??= setInterval(cancel, cancelAgainMs)
  }
  const onStart = (jobId: string) => {
    childId = jobId
    if (signal.aborted) cancel()
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const child: InsertedJob = {
      analysisId: analysis.id,
      versionNumber: analysis.versionNumber,
      parameters,
      triggeredBy: 'analysis',
      parentJobId: parentJob.id,
    }
    const runAtLevel = (input: InsertedJob) =>
      slots.run(level, () => run(input, { signal, onStart }), signal)
    const end = await runWithSlot(queries, child, runAtLevel, signal)
    switch (end.status) {
      case 'completed':
        return end.resultText
      case 'failed':
        throw new HostFailure('dependency_error', `analysis "${name}" failed: ${end.error.message}`)
      default:
        throw new HostFailure('dependency_error', `analysis "${name}" was ${end.status}`)
    }
  } finally {
    clearInterval(repeat)
    signal.removeEventListener('abort', cancel)
  }
}

/** Nobody tells when a slot is free: who frees it does not know who waits. */
async function runWithSlot(
  queries: Queries,
  input: InsertedJob,
  run: (input: InsertedJob) => Promise<JobEnd>,
  signal: AbortSignal,
): Promise<JobEnd> {
  const slotRequestId = randomUUID()
  let hasAsked = false
  try {
    for (let waitMs = firstLookMs; ; waitMs = Math.min(2 * waitMs, lookEveryMs)) {
      try {
        return await run({ ...input, slotRequestId })
      } catch (error) {
        if (!isKilnError(error, 'LIMITS_FULL')) throw error
      }
      hasAsked = true
      const ask = () => requestSlot(queries, slotRequestId, input.analysisId)
      await retryWhileDatabaseIsAway(ask, { signal })
      await delay(waitMs, signal)
    }
  } finally {
    // If we die before, it is void by itself a little later.
    if (hasAsked) await withdrawSlotRequest(queries, slotRequestId).catch(() => undefined)
  }
}

/** How many jobs the child would have above it; refuses a circle, and a descent that is too deep. */
async function requireDescent(
  queries: Queries,
  parentJob: ClaimedJob,
  analysis: RunnableAnalysis,
): Promise<number> {
  const { rows } = await sql<{ analysisId: string }>`
    with recursive ancestors as (
      select id, analysis_id, parent_job_id
      from analysis_jobs
      where id = ${parentJob.id}
      -- Not all: somebody may have made a circle of parents by SQL.
      union
      select job.id, job.analysis_id, job.parent_job_id
      from analysis_jobs job
      join ancestors on job.id = ancestors.parent_job_id
    )
    select analysis_id
    from ancestors
  `.execute(queries)
  if (rows.some((row) => row.analysisId === analysis.id)) {
    throw new HostFailure(
      'dependency_error',
      `analysis "${analysis.name}" is running itself in a circle`,
    )
  }
  if (rows.length > maxDepth) {
    throw new HostFailure('dependency_error', `analyses call each other more than ${maxDepth} deep`)
  }
  return rows.length
}
