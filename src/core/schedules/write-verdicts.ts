import { sql } from 'kysely'
import { type Queries, prepare, runPrepared } from '../database/index.ts'
import { plainArray, postgresArray } from '../jobs/index.ts'
import { waitingForEarlierRun } from './active-runs.ts'
import type { Verdict } from './decide.ts'
import type { DueSchedule } from './due-schedule.ts'
import { zoneDataVersion } from './next-run.ts'

export interface JudgedSchedule {
  readonly schedule: DueSchedule
  readonly verdict: Verdict
}

/** Milliseconds of Node as an instant. */
const at = (column: string): string => `timestamptz 'epoch' + ${column} * interval '1 millisecond'`

/**
 * `$1` to `$8` are decisions, `$9` to `$14` the schedules moved on, `$15` is the version of the zone
 * data, `$16` the words of a job that waits. What a job takes from its schedule is read here: the
 * rows are locked, and need not travel.
 */
const write = prepare(
  'kiln_write_verdicts',
  `with decision as materialized (
    select schedule.id as schedule_id, ${at('scheduled_for')} as scheduled_for, decision, reason,
      missed_count, ${at('missed_from')} as missed_from, schedule.revision, schedule.analysis_id,
      schedule.timezone, schedule.parameters, ${at('run_at')} as run_at, is_waiting,
      case when run_at is not null then gen_random_uuid() end as job_id
    from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::integer[], $6::bigint[],
      $7::bigint[], $8::boolean[]
    ) as made (id, scheduled_for, decision, reason, missed_count, missed_from, run_at, is_waiting)
    join analysis_schedules schedule using (id)
  ),
  moved as (
    select id, ${at('next_run_at')} as next_run_at, ${at('last_scheduled_for')} as last_scheduled_for,
      last_decision, has_run, rule_error
    from unnest($9::uuid[], $10::bigint[], $11::bigint[], $12::text[], $13::boolean[], $14::text[])
      as moved (id, next_run_at, last_scheduled_for, last_decision, has_run, rule_error)
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
      not decision.is_waiting, case when decision.is_waiting then $16 end
    from decision
    -- Only where the occurrence is new: this is what makes it run once.
    join occurrence using (job_id)
    -- A system schedule runs a task instead.
    where decision.analysis_id is not null
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
      zone_data = $15
    from moved
    where schedule.id = moved.id
      -- Says the same once more, so that the index is used and not the whole table read.
      and schedule.id = any($9::uuid[])
  )
  select count(*)::integer as jobs
  from job`,
)

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
    verdict.decisions.map((decision) => ({ ...decision, id: schedule.id })),
  )
  const [row] = await runPrepared<{ jobs: number }>(transaction, write, [
    plainArray(decisions.map(({ id }) => id)),
    plainArray(decisions.map(({ scheduledForMs }) => scheduledForMs)),
    plainArray(decisions.map(({ decision }) => decision)),
    postgresArray(decisions.map(({ reason }) => reason)),
    plainArray(decisions.map(({ missedCount }) => missedCount)),
    plainArray(decisions.map(({ missedFromMs }) => missedFromMs)),
    plainArray(decisions.map(({ job }) => job?.runAtMs ?? null)),
    plainArray(decisions.map(({ job }) => (job ? String(job.isWaiting) : null))),
    plainArray(judged.map(({ schedule }) => schedule.id)),
    plainArray(judged.map(({ verdict }) => verdict.nextRunAtMs)),
    plainArray(judged.map(({ verdict }) => verdict.lastScheduledForMs)),
    postgresArray(judged.map(({ verdict }) => textOf(verdict))),
    plainArray(judged.map(({ verdict }) => String(verdict.decisions.some(({ job }) => job)))),
    postgresArray(judged.map(({ verdict }) => verdict.ruleError)),
    zoneDataVersion,
    waitingForEarlierRun,
  ])
  return row?.jobs ?? 0
}

/**
 * Queues the tasks of system schedules among those just written, each under the id that its
 * occurrence names; whoever takes part in one runs it. Returns how many.
 */
export async function queueTaskRuns(
  transaction: Queries,
  judged: readonly JudgedSchedule[],
): Promise<number> {
  const fired = judged
    .filter(({ schedule }) => schedule.analysisId === null)
    .flatMap(({ schedule, verdict }) =>
      verdict.decisions
        .filter(({ job }) => job !== null)
        .map(({ scheduledForMs }) => ({
          id: schedule.id,
          scheduledFor: new Date(scheduledForMs).toISOString(),
        })),
    )
  if (fired.length === 0) return 0
  const { numAffectedRows = 0n } = await sql`
    insert into analysis_task_runs (id, schedule_id, scheduled_for)
    select occurrence.job_id, occurrence.schedule_id, occurrence.scheduled_for
    from unnest(
      ${fired.map(({ id }) => id)}::uuid[],
      ${fired.map(({ scheduledFor }) => scheduledFor)}::timestamptz[]
    ) as fired (schedule_id, scheduled_for)
    join analysis_schedule_occurrences occurrence
      on occurrence.schedule_id = fired.schedule_id
      and occurrence.scheduled_for = fired.scheduled_for
    where occurrence.decision = 'fired'
    -- An occurrence that was decided on before has had its run.
    on conflict do nothing
  `.execute(transaction)
  return Number(numAffectedRows)
}

/** The last decision in a few words, for the row of the schedule. */
function textOf({ decisions }: Verdict): string | null {
  const last = decisions.at(-1)
  if (!last) return null
  return last.reason === null ? last.decision : `${last.decision}: ${last.reason}`
}
