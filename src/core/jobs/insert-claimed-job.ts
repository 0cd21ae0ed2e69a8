import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import {
  type ClaimedJob,
  type ClaimedRow,
  type SharedFacts,
  claimedColumns,
  sharedFacts,
  toClaimedJob,
} from './claim-jobs.ts'
import { parametersText } from './parameters-text.ts'
import { type SlotTaker, takeSlot } from './take-slot.ts'

export interface ClaimedJobInput extends SlotTaker {
  readonly parameters: unknown
  readonly triggeredBy: string
  /** As a claim's. */
  readonly claimNumber?: number
  /** For an insert that may be repeated. */
  readonly ids?: JobIds
}

/** The ids of a job and of the lease under which it is inserted. */
export interface JobIds {
  readonly id: string
  readonly leaseToken: string
}

/**
 * Inserts a job that its own executor has already claimed, as `analysis run` does. It is never
 * rescued to another executor: if this one dies the job fails with `executor_lost`, since nobody
 * expects it to run again behind the caller's back.
 *
 * @throws KilnError LIMITS_FULL when its analysis or project runs as many jobs as it may, or the
 * project database is taken; PROJECT_DATABASE_HELD, PROJECT_DATABASE_ELSEWHERE; PARAMETER_INVALID for text that a job row cannot hold.
 */
export async function insertClaimedJob(
  queries: Queries,
  input: ClaimedJobInput,
): Promise<ClaimedJob> {
  return queries.transaction().execute(async (transaction) => {
    const { holdsSlot, database } = await takeSlot(transaction, input)
    const { id, leaseToken } = input.ids ?? { id: randomUUID(), leaseToken: randomUUID() }
    const { rows } = await sql<ClaimedRow & { shared: SharedFacts }>`
      with lease as (
        -- The job enters itself.
        insert into analysis_leases (token, executor_id, job_ids, claim_number)
        select ${leaseToken}::uuid, id, '{}', ${input.claimNumber ?? 0}::bigint
        from analysis_executors
        where id = ${input.executorId}
      ),
      job as (
        insert into analysis_jobs (
          id, analysis_id, version_number, parameters, triggered_by, executor_id, parent_job_id,
          status, started_at, attempt, max_lost, lease_token, holds_slot, database_use, database_home,
          schedule_timezone, scheduled_for
        )
        select ${id}::uuid, ${input.analysisId}, ${input.versionNumber},
          ${parametersText(input.parameters)}::jsonb, ${input.triggeredBy}, executor.id,
          ${input.parentJobId ?? null}::uuid, 'running',
          -- It may have waited for the lock on the slots since the transaction began.
          clock_timestamp(), 1, 0, ${leaseToken}::uuid,
          ${holdsSlot}::boolean, ${database?.use ?? null}, ${database?.home ?? null},
          -- What its caller means by a date, and by now, it means too.
          caller.schedule_timezone, caller.scheduled_for
        from analysis_executors executor
        left join analysis_jobs caller on caller.id = ${input.parentJobId ?? null}::uuid
        where executor.id = ${input.executorId}
          and executor.stopped_at is null
          -- A child of a job that has ended would run for nobody.
          and (
            ${input.parentJobId ?? null}::uuid is null
            or exists (
              select from analysis_jobs
              where id = ${input.parentJobId ?? null}
                and status = 'running'
              for share
            )
          )
        returning *
      )
      select ${sql.raw(claimedColumns)}, ${sql.raw(sharedFacts('job.started_at'))} as shared
      from job
      join analyses analysis on analysis.id = job.analysis_id
    `.execute(transaction)
    const [job] = rows
    if (!job) {
      throw new KilnError(
        'JOB_LOST',
        'this executor was declared dead before it could start the job',
        {
          hint: 'run the command again',
        },
      )
    }
    return toClaimedJob(job, job.shared, leaseToken)
  })
}

/** A job that `insertClaimedJob` has inserted, as long as its lease stands. */
export async function findInsertedJob(
  queries: Queries,
  { id, leaseToken }: JobIds,
): Promise<ClaimedJob | undefined> {
  const { rows } = await sql<ClaimedRow & { shared: SharedFacts }>`
    select ${sql.raw(claimedColumns)}, ${sql.raw(sharedFacts('job.started_at'))} as shared
    from analysis_jobs job
    join analyses analysis on analysis.id = job.analysis_id
    where job.id = ${id}
      and job.lease_token = ${leaseToken}
  `.execute(queries)
  const [job] = rows
  return job && toClaimedJob(job, job.shared, leaseToken)
}
