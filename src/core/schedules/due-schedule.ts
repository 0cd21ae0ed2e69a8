import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import type { MissedPolicy, OverlapPolicy } from './schedule.ts'

/** A schedule that is due, locked by the transaction that read it. */
export interface DueSchedule {
  readonly id: string
  readonly analysisId: string
  readonly analysisName: string
  readonly projectId: string
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
  readonly resumedAt: string | null
  readonly revision: number
  /** JSON of the parameters, not parsed: it goes into the job as it is. */
  readonly parametersText: string
}

/**
 * Takes up to `limit` due schedules, longest due first. Those that another instance works on are
 * left to it. `now` stands for the database's clock where a test gives it.
 */
export async function lockDueSchedules(
  transaction: Queries,
  { limit, now }: { readonly limit: number; readonly now: string | null },
): Promise<DueSchedule[]> {
  const { rows } = await sql<DueSchedule>`
    select schedule.id, schedule.analysis_id, analysis.name as analysis_name, analysis.project_id,
      analysis.is_active as is_analysis_active, schedule.cron_expression, schedule.timezone,
      schedule.next_run_at, schedule.last_scheduled_for, schedule.missed_policy,
      schedule.overlap_policy, schedule.catch_up_window_ms, schedule.jitter_ms,
      schedule.pause_after_failures, schedule.resumed_at, schedule.revision,
      schedule.parameters::text as parameters_text
    from analysis_schedules schedule
    join analyses analysis on analysis.id = schedule.analysis_id
    where schedule.enabled
      and schedule.next_run_at <= coalesce(${now}::timestamptz, now())
    order by schedule.next_run_at
    limit ${limit}
    for no key update of schedule skip locked
  `.execute(transaction)
  return rows
}

/**
 * Takes the schedule that is due longest out of the way, with the error that firing it gave; it is
 * tried again after a few minutes. Returns its id, if there is one.
 */
export async function setAsideFirstDue(
  { database }: Pick<Context, 'database'>,
  error: string,
): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    update analysis_schedules
    set next_run_at = null, rule_error = ${error}, rule_error_at = now()
    where id = (
      select id
      from analysis_schedules
      where enabled
        and next_run_at <= now()
      order by next_run_at
      limit 1
      for no key update skip locked
    )
    returning id
  `.execute(database.queries)
  return rows[0]?.id
}
