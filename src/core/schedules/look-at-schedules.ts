import { sql } from 'kysely'
import type { Context } from '../context.ts'

/** What there is to do for schedules. */
export interface ScheduleOutlook {
  /** Until the next one is due by the database's clock; 0: one is. Null when there is none. */
  readonly dueInMs: number | null
  /** Some have no next run yet. */
  readonly hasUnplanned: boolean
}

/** Looks ahead in one statement, which is all an idle service asks. */
export async function lookAtSchedules({
  database,
}: Pick<Context, 'database'>): Promise<ScheduleOutlook> {
  const { rows } = await sql<ScheduleOutlook>`
    select (
        select greatest(0, extract(epoch from next_run_at - now()) * 1000)::float8
        from analysis_schedules
        where enabled
        order by next_run_at
        limit 1
      ) as due_in_ms,
      exists (
        select
        from analysis_schedules
        where enabled
          and next_run_at is null
          and (rule_error_at is null or rule_error_at < now() - interval '5 minutes')
      ) as has_unplanned
  `.execute(database.queries)
  return rows[0] ?? { dueInMs: null, hasUnplanned: false }
}
