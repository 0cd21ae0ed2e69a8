/** Rows of schedules for tests, made as operators make them: by SQL. */
import type { Context } from '../../src/core/context.ts'

type Pool = Context['database']['pool']
type Row = Readonly<Record<string, unknown>>

/** A schedule of 06:00 UTC with any other columns (snake_case). Returns its id. */
export async function insertSchedule(
  pool: Pool,
  analysisId: string,
  columns: Row = {},
): Promise<string> {
  const all: Row = { analysis_id: analysisId, cron_expression: '0 6 * * *', ...columns }
  const names = Object.keys(all)
  const { rows } = await pool.query<{ id: string }>(
    `insert into analysis_schedules (${names.join(', ')})
     values (${names.map((_, index) => `$${index + 1}`).join(', ')})
     returning id`,
    Object.values(all),
  )
  return rows[0]?.id ?? ''
}

export interface ScheduleColumns {
  readonly enabled: boolean
  readonly next_run_at: string | null
  readonly last_scheduled_for: string | null
  readonly last_run_at: string | null
  readonly last_decision: string | null
  readonly pause_reason: string | null
  readonly paused_by: string | null
  readonly rule_error: string | null
  readonly revision: number
  readonly cron_expression: string
  readonly timezone: string
}

export async function readSchedule(pool: Pool, id: string): Promise<ScheduleColumns> {
  const { rows } = await pool.query<ScheduleColumns>(
    'select * from analysis_schedules where id = $1',
    [id],
  )
  if (!rows[0]) throw new Error(`there is no schedule ${id}`)
  return rows[0]
}

export interface OccurrenceColumns {
  readonly scheduled_for: string
  readonly decision: string
  readonly reason: string | null
  readonly missed_count: number
  readonly missed_from: string | null
  readonly job_id: string | null
  readonly status: string | null
  readonly run_at: string | null
  readonly ready: boolean | null
}

/** What was decided, oldest first, with the job of each. */
export async function readOccurrences(pool: Pool, id: string): Promise<OccurrenceColumns[]> {
  const { rows } = await pool.query<OccurrenceColumns>(
    `select occurrence.*, job.status, job.run_at, job.ready
     from analysis_schedule_occurrences occurrence
     left join analysis_jobs job on job.id = occurrence.job_id
     where occurrence.schedule_id = $1
     order by occurrence.scheduled_for`,
    [id],
  )
  return rows
}
