import { sql } from 'kysely'
import { loadRunnable, scheduleState } from '../analyses/index.ts'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { occurrencesAfter, parseRule, utcText, zoneOffsets } from '../cron/index.ts'
import { type Queries, repeatedTransaction } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { checkRequest } from '../jobs/index.ts'
import { type ScheduleReference, getAnalysisSchedule } from './get-schedule.ts'
import { databaseNow } from './next-run.ts'
import { type AnalysisSchedule, scheduleName } from './schedule.ts'

export interface BackfillInput extends ScheduleReference {
  /** RFC 3339, inclusive. */
  readonly from: string
  /** RFC 3339, exclusive; at most now, since what is still to come fires by itself. */
  readonly until: string
  /** Most jobs. */
  readonly max: number
  /** Say what would run and change nothing. */
  readonly dryRun: boolean
}

export interface BackfillItem {
  readonly scheduledFor: string
  /** `exists`: the occurrence has had its run. */
  readonly outcome: 'backfilled' | 'would_backfill' | 'exists'
  readonly jobId: string | null
}

export interface Backfill {
  readonly schedule: AnalysisSchedule
  readonly items: readonly BackfillItem[]
}

/** They run when nothing else waits. */
const backfillPriority = -10
/** Of a rule of every second a day names more than anyone means to run. */
const mostOccurrences = 100_000

/**
 * Runs the occurrences of a range that have had no run: missed, skipped, or of a time before the
 * schedule. Each once: a repetition makes no second job. The schedule's own course is not touched.
 *
 * @throws KilnError USAGE for an impossible range, more than `max` jobs or a system schedule,
 *   SCHEDULE_NOT_FOUND and
 *   those of finding it, CRON_INVALID, TIMEZONE_INVALID, ANALYSIS_INACTIVE, PARAMETER_INVALID.
 */
export async function backfillSchedule(
  context: Pick<Context, 'database' | 'operator' | 'clock'>,
  input: BackfillInput,
): Promise<Backfill> {
  const schedule = await getAnalysisSchedule(context, input)
  const instants = occurrencesWithin(schedule, {
    from: Date.parse(input.from),
    until: Math.min(
      Date.parse(input.until),
      Date.parse(await databaseNow(context.database.queries)),
    ),
  })
  checkRequest(
    context,
    await loadRunnable(context, schedule.analysisId),
    schedule.parameters as Readonly<Record<string, unknown>>,
  )
  const done = await findRuns(context.database.queries, schedule.id, instants)
  const open = instants.filter((instant) => !done.has(instant))
  if (open.length > input.max) {
    throw new KilnError(
      'USAGE',
      `${open.length} occurrences of the range have had no run: more than ${input.max}`,
      { hint: 'take a shorter range, or allow more by --max' },
    )
  }
  const made = input.dryRun ? new Map<string, string>() : await insertRuns(context, schedule, open)
  return {
    schedule,
    items: instants.map((scheduledFor) => {
      const jobId = made.get(scheduledFor) ?? done.get(scheduledFor) ?? null
      if (made.has(scheduledFor)) return { scheduledFor, outcome: 'backfilled', jobId }
      const isOpen = input.dryRun && !done.has(scheduledFor)
      return { scheduledFor, outcome: isOpen ? 'would_backfill' : 'exists', jobId }
    }),
  }
}

function occurrencesWithin(
  schedule: AnalysisSchedule,
  range: { readonly from: number; readonly until: number },
): string[] {
  if (range.from >= range.until) {
    throw new KilnError('USAGE', 'the range ends before it begins, or lies in the future', {
      hint: 'give --from before --to',
    })
  }
  const rule = parseRule(schedule.cronExpression)
  const found: string[] = []
  for (const { atMs } of occurrencesAfter(rule, zoneOffsets(schedule.timezone), range.from - 1)) {
    if (atMs >= range.until) break
    found.push(utcText(atMs))
    if (found.length > mostOccurrences) {
      throw new KilnError('USAGE', `the range has more than ${mostOccurrences} occurrences`, {
        hint: 'take a shorter range',
      })
    }
  }
  return found
}

/** Occurrences that have had their run, with the job where it is still there. */
async function findRuns(
  queries: Queries,
  scheduleId: string,
  instants: readonly string[],
): Promise<ReadonlyMap<string, string | null>> {
  const { rows } = await sql<{ scheduledFor: string; jobId: string | null }>`
    select scheduled_for, job_id
    from analysis_schedule_occurrences
    where schedule_id = ${scheduleId}
      and scheduled_for = any(${instants as string[]}::timestamptz[])
      and decision in ('fired', 'backfilled')
  `.execute(queries)
  return new Map(rows.map(({ scheduledFor, jobId }) => [utcText(Date.parse(scheduledFor)), jobId]))
}

async function insertRuns(
  { database, operator }: Pick<Context, 'database' | 'operator'>,
  schedule: AnalysisSchedule,
  instants: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (instants.length === 0) return new Map()
  return repeatedTransaction(database.queries, async (transaction) => {
    const { rows } = await sql<{ scheduledFor: string; jobId: string }>`
      with instant as (
        select scheduled_for, gen_random_uuid() as job_id
        from unnest(${instants as string[]}::timestamptz[]) as instant (scheduled_for)
      ),
      occurrence as (
        insert into analysis_schedule_occurrences as known
          (schedule_id, scheduled_for, decision, revision, job_id)
        select ${schedule.id}, scheduled_for, 'backfilled', ${schedule.revision}, job_id
        from instant
        on conflict (schedule_id, scheduled_for) do update
        set decision = excluded.decision,
          reason = 'was ' || known.decision || coalesce(': ' || known.reason, ''),
          job_id = excluded.job_id,
          revision = excluded.revision,
          decided_at = now()
        where known.decision in ('skipped', 'missed')
        returning scheduled_for, job_id
      )
      insert into analysis_jobs
        (id, analysis_id, parameters, triggered_by, priority, schedule_id, scheduled_for,
          schedule_timezone)
      select occurrence.job_id, ${schedule.analysisId}, ${JSON.stringify(schedule.parameters)}::jsonb,
        'backfill', ${backfillPriority}, ${schedule.id}, occurrence.scheduled_for,
        ${schedule.timezone}
      from occurrence
      order by occurrence.scheduled_for
      returning scheduled_for, id as job_id
    `.execute(transaction)
    await recordAudit(transaction, operator, {
      action: 'schedule.backfill',
      targetType: 'schedule',
      targetId: schedule.id,
      targetName: scheduleName(schedule),
      // It stays as it was: the same hash twice tells by which rule and parameters it ran.
      before: scheduleState(schedule),
      after: scheduleState(schedule),
      details: { from: instants[0], to: instants.at(-1), jobs: rows.length },
    })
    return new Map(
      rows.map(({ scheduledFor, jobId }) => [utcText(Date.parse(scheduledFor)), jobId]),
    )
  })
}
