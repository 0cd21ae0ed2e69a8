import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { KilnError } from '../errors/index.ts'

/** A run of a task that has not ended. */
export interface OpenRun {
  readonly id: string
  readonly scheduleId: string
}

/** Runs of these schedules that wait, or whose service may have died. */
export async function findOpenRuns(
  queries: Queries,
  scheduleIds: readonly string[],
): Promise<readonly OpenRun[]> {
  if (scheduleIds.length === 0) return []
  const { rows } = await sql<OpenRun>`
    select id, schedule_id
    from analysis_task_runs
    where schedule_id = any(${scheduleIds as string[]}::uuid[])
      and status in ('pending', 'running')
      and run_after <= now()
    order by created_at
  `.execute(queries)
  return rows
}

/**
 * Begins a run, for whoever holds the lock of its schedule: one that is running still was lost with
 * its service. Returns its attempt, or undefined when it has ended meanwhile.
 */
export async function beginRun(
  queries: Queries,
  id: string,
  runner: string,
): Promise<number | undefined> {
  const { rows } = await sql<{ attempt: number }>`
    update analysis_task_runs
    set status = 'running', attempt = attempt + 1, started_at = now(), runner = ${runner}
    where id = ${id}
      and status in ('pending', 'running')
      and run_after <= now()
    returning attempt
  `.execute(queries)
  return rows[0]?.attempt
}

/** How a run ended. */
export interface RunOutcome {
  readonly details?: Readonly<Record<string, unknown>>
  /** Absent: it succeeded. */
  readonly error?: KilnError
}

/** Writes how a run ended, once, and adds it up for metrics. */
export async function endRun(
  queries: Queries,
  id: string,
  { details = {}, error }: RunOutcome,
): Promise<void> {
  await sql`
    with ended as (
      update analysis_task_runs
      set status = ${error ? 'failed' : 'completed'},
        finished_at = now(),
        error_code = ${error?.code ?? null},
        error_message = ${error?.message ?? null},
        details = ${JSON.stringify((error ? error.details : details) ?? {})}::jsonb
      where id = ${id}
        and status = 'running'
      returning schedule_id, status, started_at, finished_at
    ),
    -- Nobody looks so far back, and a task of every minute would fill the table.
    forgotten as (
      delete from analysis_task_runs old
      using ended
      where old.schedule_id = ended.schedule_id
        and old.finished_at < now() - interval '90 days'
    )
    update analysis_tasks task
    set last_duration_ms = round(extract(epoch from ended.finished_at - ended.started_at) * 1000),
      last_success_at = case
        when ended.status = 'completed' then ended.finished_at
        else task.last_success_at
      end,
      completed_runs = completed_runs + (ended.status = 'completed')::integer,
      failed_runs = failed_runs + (ended.status = 'failed')::integer
    from ended
    where task.schedule_id = ended.schedule_id
  `.execute(queries)
}

/** Puts a run back: at once without counting the attempt, or later with the failure that may pass. */
export async function putBackRun(
  queries: Queries,
  id: string,
  later?: { readonly afterMs: number; readonly error: KilnError },
): Promise<void> {
  await sql`
    update analysis_task_runs
    set status = 'pending',
      attempt = attempt - ${later ? 0 : 1}::integer,
      run_after = now() + ${later?.afterMs ?? 0} * interval '1 millisecond',
      error_code = ${later?.error.code ?? null},
      error_message = ${later?.error.message ?? null}
    where id = ${id}
      and status = 'running'
  `.execute(queries)
}
