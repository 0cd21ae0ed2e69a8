import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/** Runs of a schedule that have not ended. */
export interface ActiveRuns {
  /** Jobs that run or may run, oldest first. */
  readonly jobIds: readonly string[]
  /** Jobs that wait for an earlier run. */
  readonly waiting: number
}

/** Says so on a job that waits; a trigger of the job table looks for these words. */
export const waitingForEarlierRun = 'an earlier run of its schedule'

/** Runs that have not ended, by schedule. Backfilled ones stand beside and hold up nobody. */
export async function findActiveRuns(
  transaction: Queries,
  scheduleIds: readonly string[],
): Promise<ReadonlyMap<string, ActiveRuns>> {
  if (scheduleIds.length === 0) return new Map()
  const { rows } = await sql<ActiveRuns & { scheduleId: string }>`
    select run.schedule_id,
      array_agg(job.id::text order by job.created_at)
        filter (where job.waiting_reason is distinct from ${waitingForEarlierRun}) as job_ids,
      count(*) filter (where job.waiting_reason = ${waitingForEarlierRun})::integer as waiting
    from analysis_schedule_runs run
    join analysis_jobs job on job.id = run.job_id
    where run.schedule_id = any(${scheduleIds as string[]}::uuid[])
    group by run.schedule_id
    union all
    select schedule_id, array[id::text], 0
    from analysis_task_runs
    where schedule_id = any(${scheduleIds as string[]}::uuid[])
      and status in ('pending', 'running')
  `.execute(transaction)
  return new Map(
    rows.map(({ scheduleId, jobIds, waiting }) => [scheduleId, { jobIds: jobIds ?? [], waiting }]),
  )
}

/** Of these schedules, those whose last runs have all failed, `pause_after_failures` in a row. */
export async function findFailingSchedules(
  transaction: Queries,
  scheduleIds: readonly string[],
): Promise<ReadonlySet<string>> {
  if (scheduleIds.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    select schedule.id
    from analysis_schedules schedule
    cross join lateral (
      select count(*) as ended, count(*) filter (where status = 'failed') as failed
      from (
        select status
        from analysis_jobs
        where schedule_id = schedule.id
          and scheduled_for is not null
          and triggered_by = 'schedule'
          and status in ('completed', 'failed')
          and created_at > coalesce(schedule.resumed_at, '-infinity')
        order by scheduled_for desc
        limit schedule.pause_after_failures
      ) as last_run
    ) as runs
    where schedule.id = any(${scheduleIds as string[]}::uuid[])
      and runs.failed >= schedule.pause_after_failures
  `.execute(transaction)
  return new Set(rows.map(({ id }) => id))
}
