import type { RestoreSession } from './session.ts'
import { quoted } from './session.ts'

/** Why a job waits that a restore has put there; `--release` lets these go, and no others. */
export const restoredReason = 'held since a restore: kiln restore postgres --release'

export interface SettledRows {
  /** Projects that were named and not there. */
  readonly projects: number
  /** Versions that analyses had not. */
  readonly versions: number
  /** Jobs that ran at the time of the backup and are pending again. */
  readonly requeuedJobs: number
  /** Jobs of commands that ended with them: nobody waits for them any more. */
  readonly lostJobs: number
  /** Pending jobs that wait for `--release`. */
  readonly heldJobs: number
  readonly schedules: number
}

/**
 * Does for staged rows what the triggers would have done, and ends what was going on when they were
 * saved: nothing runs, pending jobs wait to be let go, schedules go on from now.
 */
export async function settleRows(session: RestoreSession, schema: string): Promise<SettledRows> {
  const count = async (sql: string): Promise<number> => (await session.query(sql)).rowCount ?? 0
  await session.query(`set search_path = ${quoted(schema)}, ${quoted(session.live)}`)
  try {
    const projects = await count(missingProjects)
    await session.query(nameAnalyses)
    const versions = (await count(missingVersions)) + (await count(changedVersions))
    const jobs = await settleJobs(session, count)
    await session.query(endedRuns)
    await session.query(endedTaskRuns)
    const schedules = await count(planSchedules)
    return { projects, versions, ...jobs, schedules }
  } finally {
    await session.cleanUp(`set search_path = ${quoted(session.live)}`)
  }
}

/** Of the finished jobs there may be millions: they are read once, and not at all where nothing is odd. */
async function settleJobs(
  session: RestoreSession,
  count: (sql: string) => Promise<number>,
): Promise<Pick<SettledRows, 'requeuedJobs' | 'lostJobs' | 'heldJobs'>> {
  const { rows } = await session.query<{
    incomplete: boolean | null
    running: boolean | null
    pending: boolean | null
    queued: boolean | null
  }>(`
    select bool_or(parameters is null or triggered_by is null) as incomplete,
      bool_or(status = 'running') as running,
      bool_or(status in ('pending', 'running')) as pending,
      bool_or(
        status <> 'pending' and (ready or holds_slot or waits_for_slot or waiting_reason is not null)
      ) as queued
    from analysis_jobs`)
  const [found] = rows
  if (found?.incomplete) await session.query(completeJobs)
  if (found?.running) await session.query(pastAttempts)
  const lostJobs = found?.running ? await count(loseOneShots) : 0
  const requeuedJobs = found?.running ? await count(requeueRunning) : 0
  const heldJobs = found?.pending ? await count(holdPending) : 0
  if (found?.queued) await session.query(leaveQueue)
  return { requeuedJobs, lostJobs, heldJobs }
}

const missingProjects = `
  insert into projects (id, name)
  select project_id, project_id from analyses
  union
  select project_id, project_id from analysis_datasources
  on conflict do nothing`

/** As the trigger names an analysis that came without a name. */
const nameAnalyses = `
  do $$
  declare
    analysis record;
    stem text;
    candidate text;
    suffix integer;
  begin
    for analysis in
      select id, title, project_id from analyses where name is null order by created_at, id
    loop
      stem := trim(both '-' from regexp_replace(lower(analysis.title), '[^a-z0-9]+', '-', 'g'));
      stem := trim(both '-' from left(stem, 100));
      if stem = '' then
        stem := 'analysis';
      end if;
      candidate := stem;
      suffix := 1;
      while exists (
        select from analyses where project_id = analysis.project_id and name = candidate
      ) loop
        suffix := suffix + 1;
        candidate := stem || '-' || suffix;
      end loop;
      update analyses set name = candidate where id = analysis.id;
    end loop;
  end
  $$`

const missingVersions = `
  insert into analysis_versions (analysis_id, version_number, script_content, created_by, metadata, created_at)
  select id, version, script_content, created_by, metadata, updated_at
  from analyses analysis
  where not exists (
    select
    from analysis_versions
    where analysis_id = analysis.id
      and version_number = analysis.version
  )`

/** Where a dump has analyses and no versions, live ones may stand for an older or newer script. */
const changedVersions = `
  with changed as (
    select analysis.id, analysis.script_content, analysis.created_by, analysis.metadata,
      (select max(version_number) + 1 from analysis_versions where analysis_id = analysis.id) as version
    from analyses analysis
    join analysis_versions current
      on current.analysis_id = analysis.id
      and current.version_number = analysis.version
    where current.script_content <> analysis.script_content
  ),
  kept as (
    insert into analysis_versions (analysis_id, version_number, script_content, created_by, metadata)
    select id, version, script_content, created_by, metadata
    from changed
  )
  update analyses
  set version = changed.version, max_concurrent = 1, database_use = null
  from changed
  where analyses.id = changed.id`

const completeJobs = `
  update analysis_jobs
  set parameters = coalesce(parameters, '{}'), triggered_by = coalesce(triggered_by, 'manual')
  where parameters is null
    or triggered_by is null`

/** The attempt that ran was nobody's fault: like one that an executor hands back when it ends. */
const pastAttempts = `
  insert into analysis_job_past_attempts (job_id, number, executor_id, started_at, outcome)
  select id, attempt, executor_id, started_at, 'handed_back'
  from analysis_jobs
  where status = 'running'
    and attempt > 0
    and max_lost > 0
  on conflict do nothing`

const loseOneShots = `
  update analysis_jobs
  set status = 'failed', error_code = 'executor_lost',
    error_message = 'it ran when the backup was made, and its command is gone',
    completed_at = now(), lease_token = null, committing_at = null, progress = null,
    progress_message = null, holds_slot = false, waits_for_slot = false, ready = false
  where status = 'running'
    and max_lost = 0`

const requeueRunning = `
  update analysis_jobs
  set status = 'pending', handed_back_count = least(handed_back_count + least(attempt, 1), 1000000000),
    executor_id = null, lease_token = null, committing_at = null, started_at = null,
    progress = null, progress_message = null, ready = true
  where status = 'running'`

/** Those that somebody held, or that wait for an earlier run, go on doing that. */
const holdPending = `
  update analysis_jobs
  set ready = false, holds_slot = false, waits_for_slot = false, waiting_reason = '${restoredReason}'
  where status = 'pending'
    and (ready or waits_for_slot or waiting_reason is null)`

const leaveQueue = `
  update analysis_jobs
  set ready = false, holds_slot = false, waits_for_slot = false, waiting_reason = null
  where status <> 'pending'
    and (ready or holds_slot or waits_for_slot or waiting_reason is not null)`

const endedRuns = `
  delete from analysis_schedule_runs run
  where not exists (
    select
    from analysis_jobs
    where id = run.job_id
      and status = 'pending'
  )`

/** The backup may have been one of them: it would be found running for ever, and made once more. */
const endedTaskRuns = `
  update analysis_task_runs
  set status = 'failed', finished_at = now(), runner = null, error_code = 'TERMINATED',
    error_message = 'it had not ended when the backup was made'
  where status in ('pending', 'running')`

/** Planned by whoever fires them next, from then on; what was missed meanwhile is not made good. */
const planSchedules = `
  update analysis_schedules
  set next_run_at = null, rule_error = null, rule_error_at = null
  where enabled`
