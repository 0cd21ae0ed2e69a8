import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { waitingForEarlierRun } from './active-runs.ts'
import type { Verdict } from './decide.ts'
import type { DueSchedule } from './due-schedule.ts'
import { zoneDataVersion } from './next-run.ts'

export interface JudgedSchedule {
  readonly schedule: DueSchedule
  readonly verdict: Verdict
}

const instant = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString()

/**
 * Writes what was decided in one statement: occurrences, their jobs, and the schedules moved on. An
 * occurrence that is there already keeps its decision and gets no second job. Returns how many jobs
 * were made.
 *
 * Rows in arrays, so that 500 schedules cost one round trip and one plan.
 */
export async function writeVerdicts(
  transaction: Queries,
  judged: readonly JudgedSchedule[],
): Promise<number> {
  const decisions = judged.flatMap(({ schedule, verdict }) =>
    verdict.decisions.map((decision) => ({ schedule, ...decision })),
  )
  const { rows } = await sql<{ jobs: number }>`
    with decision as (
      select *
      from unnest(
        ${decisions.map(({ schedule }) => schedule.id)}::uuid[],
        ${decisions.map(({ scheduledForMs }) => instant(scheduledForMs))}::timestamptz[],
        ${decisions.map(({ decision }) => decision)}::text[],
        ${decisions.map(({ reason }) => reason)}::text[],
        ${decisions.map(({ missedCount }) => missedCount)}::integer[],
        ${decisions.map(({ missedFromMs }) => instant(missedFromMs))}::timestamptz[],
        ${decisions.map(({ schedule }) => schedule.revision)}::integer[],
        ${decisions.map(({ schedule }) => schedule.analysisId)}::uuid[],
        ${decisions.map(({ schedule }) => schedule.timezone)}::text[],
        ${decisions.map(({ schedule }) => schedule.parametersText)}::jsonb[],
        ${decisions.map(({ job }) => (job ? randomUUID() : null))}::uuid[],
        ${decisions.map(({ job }) => instant(job?.runAtMs ?? null))}::timestamptz[],
        ${decisions.map(({ job }) => job?.isWaiting ?? null)}::boolean[]
      ) as decision (
        schedule_id, scheduled_for, decision, reason, missed_count, missed_from, revision,
        analysis_id, timezone, parameters, job_id, run_at, is_waiting
      )
    ),
    moved as (
      select *
      from unnest(
        ${judged.map(({ schedule }) => schedule.id)}::uuid[],
        ${judged.map(({ verdict }) => instant(verdict.nextRunAtMs))}::timestamptz[],
        ${judged.map(({ verdict }) => instant(verdict.lastScheduledForMs))}::timestamptz[],
        ${judged.map(({ verdict }) => textOf(verdict))}::text[],
        ${judged.map(({ verdict }) => verdict.decisions.some(({ job }) => job !== null))}::boolean[],
        ${judged.map(({ verdict }) => verdict.ruleError)}::text[]
      ) as moved (schedule_id, next_run_at, last_scheduled_for, last_decision, has_run, rule_error)
    ),
    occurrence as (
      insert into analysis_schedule_occurrences
        (schedule_id, scheduled_for, decision, reason, missed_count, missed_from, revision, job_id)
      select schedule_id, scheduled_for, decision, reason, missed_count, missed_from, revision, job_id
      from decision
      on conflict (schedule_id, scheduled_for) do nothing
      returning job_id
    ),
    job as (
      insert into analysis_jobs
        (id, analysis_id, parameters, triggered_by, schedule_id, scheduled_for, schedule_timezone,
          run_at, ready, waiting_reason)
      select decision.job_id, decision.analysis_id, decision.parameters, 'schedule',
        decision.schedule_id, decision.scheduled_for, decision.timezone, decision.run_at,
        not decision.is_waiting, case when decision.is_waiting then ${waitingForEarlierRun} end
      from decision
      -- Only where the occurrence is new: this is what makes it run once.
      join occurrence on occurrence.job_id = decision.job_id
      returning id, schedule_id
    ),
    run as (
      insert into analysis_schedule_runs (job_id, schedule_id)
      select id, schedule_id
      from job
    ),
    schedule as (
      update analysis_schedules schedule
      set next_run_at = moved.next_run_at,
        last_scheduled_for = greatest(schedule.last_scheduled_for, moved.last_scheduled_for),
        last_decision = coalesce(moved.last_decision, schedule.last_decision),
        last_decision_at = case
          when moved.last_decision is null then schedule.last_decision_at
          else now()
        end,
        last_run_at = case when moved.has_run then now() else schedule.last_run_at end,
        rule_error = moved.rule_error,
        rule_error_at = case when moved.rule_error is not null then now() end,
        zone_data = ${zoneDataVersion}
      from moved
      where schedule.id = moved.schedule_id
        -- Says the same once more, so that the index is used and not the whole table read.
        and schedule.id = any(${judged.map(({ schedule }) => schedule.id)}::uuid[])
    )
    select count(*)::integer as jobs
    from job
  `.execute(transaction)
  return rows[0]?.jobs ?? 0
}

/** The last decision in a few words, for the row of the schedule. */
function textOf({ decisions }: Verdict): string | null {
  const last = decisions.at(-1)
  if (!last) return null
  return last.reason === null ? last.decision : `${last.decision}: ${last.reason}`
}
