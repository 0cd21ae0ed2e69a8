import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { type Queries, prepare, runPrepared } from '../database/index.ts'
import { plainArray } from '../jobs/index.ts'
import type { MissedPolicy, OverlapPolicy } from './schedule.ts'

/** A schedule that is due, locked by the transaction that read it. */
export interface DueSchedule {
  readonly id: string
  /** Null: it runs a task of Kiln itself. */
  readonly analysisId: string | null
  readonly analysisName: string | null
  readonly projectId: string | null
  readonly isAnalysisActive: boolean
  readonly cronExpression: string
  readonly timezone: string
  readonly nextRunAt: string
  readonly lastScheduledFor: string | null
  readonly missedPolicy: MissedPolicy
  readonly overlapPolicy: OverlapPolicy
  readonly catchUpWindowMs: number
  readonly jitterMs: number
  readonly pauseAfterFailures: number | null
}

/** Which schedules an instance fires: those of analyses, and system schedules that it takes part in. */
export const isOurs = (taskIds: readonly string[]) =>
  sql<boolean>`(analysis_id is not null or id = any(${taskIds as string[]}::uuid[]))`

/** `$1` stands for the database's clock in tests, `$2` are our system schedules, `$3` the limit. */
const lockDue = prepare(
  'kiln_lock_due_schedules',
  `with due as (
    select *
    from analysis_schedules
    where enabled
      and next_run_at <= coalesce($1::timestamptz, now())
      and (analysis_id is not null or id = any($2::uuid[]))
    order by next_run_at
    limit $3
    for no key update skip locked
  )
  select due.id, due.analysis_id as "analysisId", analysis.name as "analysisName",
    analysis.project_id as "projectId", analysis.is_active as "isAnalysisActive",
    due.cron_expression as "cronExpression", due.timezone, due.next_run_at as "nextRunAt",
    due.last_scheduled_for as "lastScheduledFor", due.missed_policy as "missedPolicy",
    due.overlap_policy as "overlapPolicy", due.catch_up_window_ms as "catchUpWindowMs",
    due.jitter_ms as "jitterMs", due.pause_after_failures as "pauseAfterFailures"
  from due
  left join analyses analysis on analysis.id = due.analysis_id`,
)

/**
 * Takes up to `limit` due schedules, longest due first. Those that another instance works on are
 * left to it. `now` stands for the database's clock where a test gives it.
 */
export function lockDueSchedules(
  transaction: Queries,
  {
    limit,
    now,
    taskIds,
  }: { readonly limit: number; readonly now: string | null; readonly taskIds: readonly string[] },
): Promise<DueSchedule[]> {
  return runPrepared<DueSchedule>(transaction, lockDue, [now, plainArray(taskIds), limit])
}

/**
 * Takes the schedule that is due longest out of the way, with the error that firing it gave; it is
 * tried again after a few minutes. Returns its id, if there is one.
 */
export async function setAsideFirstDue(
  { database }: Pick<Context, 'database'>,
  error: string,
  taskIds: readonly string[] = [],
): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    update analysis_schedules
    set next_run_at = null, rule_error = ${error}, rule_error_at = now()
    where id = (
      select id
      from analysis_schedules
      where enabled
        and next_run_at <= now()
        and ${isOurs(taskIds)}
      order by next_run_at
      limit 1
      for no key update skip locked
    )
    returning id
  `.execute(database.queries)
  return rows[0]?.id
}
