import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { isOurs } from './due-schedule.ts'

/** What there is to do for schedules. */
export interface ScheduleOutlook {
  /** Until the next one is due by the database's clock; 0: one is. Null when there is none. */
  readonly dueInMs: number | null
  /** Some have no next run yet. */
  readonly hasUnplanned: boolean
  /** A task of Kiln itself waits to be run. */
  readonly hasTaskRun: boolean
}

/**
 * Looks ahead in one statement, which is all an idle service asks. Of system schedules only those
 * named count: others are for whoever takes part in them.
 */
export async function lookAtSchedules(
  { database }: Pick<Context, 'database'>,
  taskIds: readonly string[] = [],
): Promise<ScheduleOutlook> {
  const { rows } = await sql<ScheduleOutlook>`
    select (
        select case
          when next_run_at <= now() then 0
          else extract(epoch from next_run_at - now()) * 1000
        end::float8
        from analysis_schedules
        where enabled
          -- Somebody may have set it to infinity, which is never, and cannot be subtracted from.
          and next_run_at < 'infinity'
          and ${isOurs(taskIds)}
        order by next_run_at
        limit 1
      ) as due_in_ms,
      exists (
        select
        from analysis_schedules
        where enabled
          and next_run_at is null
          and (rule_error_at is null or rule_error_at < now() - interval '5 minutes')
      ) as has_unplanned,
      exists (
        select
        from analysis_task_runs
        where status = 'pending'
          and schedule_id = any(${taskIds as string[]}::uuid[])
          and run_after <= now()
      ) as has_task_run
  `.execute(database.queries)
  return rows[0] ?? { dueInMs: null, hasUnplanned: false, hasTaskRun: false }
}
