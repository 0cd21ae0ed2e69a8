import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/** How a task of Kiln itself does; over all data folders where it works on files. */
export interface TaskStatistics {
  readonly task: string
  /** Of the data folder that is worst off, in seconds since the epoch; null: none yet. */
  readonly lastSuccessSeconds: number | null
  readonly lastDurationSeconds: number | null
  readonly completedRuns: number
  readonly failedRuns: number
}

/** The state of the queue and the totals of everything, as all executors together made it. */
export interface Statistics {
  /** Pending jobs that an executor may claim now. */
  readonly dueJobs: number
  /** Pending jobs whose time has not come. */
  readonly scheduledJobs: number
  /** Pending jobs that wait for a limit or a slot. */
  readonly waitingJobs: number
  readonly runningJobs: number
  /** How long the due job that waits longest has been due; 0 when none is. */
  readonly oldestDueSeconds: number
  /** Bytes of results that are stored as files. */
  readonly storedBytes: number
  /** How long the most overdue schedule has been due; 0 when none is. */
  readonly scheduleLagSeconds: number
  /** When the last complete backup was finished, in seconds since the epoch. */
  readonly lastBackupSeconds: number | null
  /** Of system schedules, by the name of their task. */
  readonly tasks: readonly TaskStatistics[]
  /** What it takes on disk. */
  readonly lastBackupBytes: number | null
  readonly lastBackupDurationSeconds: number | null
  /** When a complete backup was last found to be sound, in seconds since the epoch. */
  readonly lastVerifiedBackupSeconds: number | null
  /** Sums over all executors, by name. They only go up. */
  readonly counters: Readonly<Record<string, number>>
}

/** Jobs that have ended so far, cleaned up or not. */
export function jobsProcessed({ counters }: Pick<Statistics, 'counters'>): number {
  return (
    (counters.jobs_completed ?? 0) + (counters.jobs_failed ?? 0) + (counters.jobs_cancelled ?? 0)
  )
}

/** Every part is served by a partial index or a small table: finished jobs cost nothing. */
export const statisticsQuery = sql<Statistics>`
  with claimable as (
    select
      count(*) filter (where run_at <= now()) as due,
      count(*) filter (where run_at > now()) as scheduled,
      -- One that is never due is at infinity, from which nothing can be subtracted.
      min(run_at) filter (where run_at <= now()) as oldest_at
    from analysis_job_queue
  ),
  waiting as (
    select count(*) as jobs
    from analysis_jobs
    where not ready
      and waiting_reason is not null
  ),
  running as (
    select count(*) as jobs
    from analysis_jobs
    where id = any (array(select unnest(job_ids) from analysis_leases))
      and status = 'running'
  ),
  stored as (
    select coalesce(sum(size_bytes), 0)::bigint as bytes
    from analysis_result_storage
  ),
  overdue as (
    select min(next_run_at) as since
    from analysis_schedules
    where enabled
      and isfinite(next_run_at)
      -- Nobody is late with a task that no service takes part in.
      and (
        analysis_id is not null
        or exists (
          select
          from analysis_tasks
          where schedule_id = analysis_schedules.id
            and attended_at > now() - interval '3 minutes'
        )
      )
  ),
  backup as (
    select
      max(newest.finished_at) as finished_at,
      max(newest.size_bytes) as size_bytes,
      max(extract(epoch from newest.finished_at - newest.created_at)) as duration_seconds,
      (
        select max(verified_at)
        from analysis_backups
        where status = 'complete'
          and verified_ok
      ) as verified_at
    from (
      select coalesce(finished_at, created_at) as finished_at, created_at, size_bytes
      from analysis_backups
      where status = 'complete'
      order by 1 desc
      limit 1
    ) newest
  ),
  task as (
    select task,
      -- A data folder that is no more must not raise an alarm for ever.
      extract(epoch from min(last_success_at)
        filter (where attended_at > now() - interval '7 days')) as last_success_seconds,
      max(last_duration_ms) / 1000.0 as last_duration_seconds,
      sum(completed_runs) as completed_runs,
      sum(failed_runs) as failed_runs
    from analysis_tasks
    group by task
  ),
  totals as (
    select name, sum(value) as value
    from analysis_counters
    group by name
  )
  select
    claimable.due as due_jobs,
    claimable.scheduled as scheduled_jobs,
    waiting.jobs as waiting_jobs,
    running.jobs as running_jobs,
    greatest(0, extract(epoch from now() - claimable.oldest_at))::float8 as oldest_due_seconds,
    stored.bytes as stored_bytes,
    greatest(0, extract(epoch from now() - overdue.since))::float8 as schedule_lag_seconds,
    extract(epoch from backup.finished_at)::float8 as last_backup_seconds,
    (
      select coalesce(
        jsonb_agg(jsonb_build_object(
          'task', task,
          'lastSuccessSeconds', last_success_seconds,
          'lastDurationSeconds', last_duration_seconds,
          'completedRuns', completed_runs,
          'failedRuns', failed_runs
        ) order by task),
        '[]'
      )
      from task
    ) as tasks,
    backup.size_bytes as last_backup_bytes,
    backup.duration_seconds::float8 as last_backup_duration_seconds,
    extract(epoch from backup.verified_at)::float8 as last_verified_backup_seconds,
    (select coalesce(jsonb_object_agg(name, value), '{}') from totals) as counters
  from claimable, waiting, running, stored, overdue, backup
`

/** Reads all of it in one statement, from one snapshot. */
export async function readStatistics(queries: Queries): Promise<Statistics> {
  const { rows } = await statisticsQuery.execute(queries)
  const [statistics] = rows
  if (!statistics) throw new Error('the statistics query returned no row')
  return statistics
}
