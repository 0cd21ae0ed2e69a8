-- What firing schedules needs to remember, and what follows from an edit, also by psql.

-- migrate:up
alter table analysis_schedules
  -- The last occurrence that was decided on. Firing never goes back behind it.
  add column last_scheduled_for timestamptz,
  add column paused_at timestamptz,
  add column paused_by text,
  -- Failures before it do not count for pause_after_failures.
  add column resumed_at timestamptz,
  add column origin text not null default 'operator' check (origin in ('operator', 'script')),
  -- What the script declared last: a new declaration wins over an operator's edit, the same one not.
  add column declared jsonb,
  add column revision integer not null default 1,
  -- Version of the time zone data by which next_run_at was computed.
  add column zone_data text,
  add column rule_error_at timestamptz;

create unique index kiln_analysis_schedules_script on analysis_schedules (analysis_id)
  where origin = 'script';
create index kiln_analysis_schedules_unplanned on analysis_schedules (rule_error_at)
  where enabled and next_run_at is null;

alter table analysis_schedule_occurrences
  -- The first of the occurrences that missed_count counts.
  add column missed_from timestamptz,
  add column revision integer;

create index kiln_analysis_schedule_occurrences_missed
  on analysis_schedule_occurrences (scheduled_for desc)
  where decision in ('skipped', 'missed') or missed_count > 0;

-- In which zone a scheduled job's relative dates are meant.
alter table analysis_jobs add column schedule_timezone text;

-- Runs of schedules that have not ended; backfilled ones stand beside and are not among them. A table
-- of its own, since an index over the jobs would name their status, and then the end of each job
-- would have to write to indexes. A job that is gone does not count, so nothing refers to the jobs:
-- checking that costs firing more than the row itself.
create table analysis_schedule_runs (
  job_id uuid primary key,
  schedule_id uuid not null references analysis_schedules (id) on delete cascade
);

create index kiln_analysis_schedule_runs_schedule on analysis_schedule_runs (schedule_id);

-- For the same reason; and the history still names a job that cleanup has deleted.
alter table analysis_schedule_occurrences
  drop constraint analysis_schedule_occurrences_job_id_fkey;
drop index kiln_analysis_schedule_occurrences_job;

-- An edit of the rule, or a schedule that is enabled again, is planned anew: next_run_at becomes
-- null, which means "to be computed", unless the same update gives another.
create function kiln_edit_schedule() returns trigger language plpgsql as $$
begin
  new.updated_at := now();
  if new.cron_expression is distinct from old.cron_expression
    or new.timezone is distinct from old.timezone then
    new.revision := old.revision + 1;
    new.rule_error := null;
    new.rule_error_at := null;
    if new.next_run_at is not distinct from old.next_run_at then
      new.next_run_at := null;
    end if;
  end if;
  if new.enabled and not old.enabled then
    new.resumed_at := now();
    new.paused_at := null;
    new.paused_by := null;
    new.pause_reason := null;
    if new.next_run_at is not distinct from old.next_run_at then
      new.next_run_at := null;
    end if;
  elsif old.enabled and not new.enabled then
    new.paused_at := now();
  end if;
  return new;
end
$$;

create trigger kiln_analysis_schedules_1_edit
  before update of cron_expression, timezone, enabled on analysis_schedules
  for each row execute function kiln_edit_schedule();

-- Wakes the scheduler when something may be due before what it sleeps for. Firing itself moves
-- next_run_at ahead and wakes nobody.
create function kiln_notify_schedules() returns trigger language plpgsql as $$
begin
  perform pg_notify('kiln_schedules', '');
  return null;
end
$$;

create trigger kiln_analysis_schedules_2_notify_insert after insert on analysis_schedules
  for each row when (new.enabled)
  execute function kiln_notify_schedules();
create trigger kiln_analysis_schedules_3_notify_update
  after update of cron_expression, timezone, enabled, next_run_at on analysis_schedules
  for each row when (
    new.enabled
    and (not old.enabled or new.next_run_at is null or new.next_run_at < old.next_run_at)
  )
  execute function kiln_notify_schedules();

-- Runs that were queued wait for each other: the end of one lets the next go. The lock of the
-- schedule's row is the one that firing takes, so that a run which is put in the queue at this moment
-- is seen. Not for cancel-other: firing it locks job rows, and each would wait for the other.
create function kiln_end_run() returns trigger language plpgsql as $$
declare
  next_id uuid;
begin
  perform from analysis_schedules
  where id = old.schedule_id
    and (overlap_policy = 'queue' or (overlap_policy = 'skip' and missed_policy = 'all'))
  for no key update;
  delete from analysis_schedule_runs where job_id = old.id;
  select job.id
    into next_id
    from analysis_schedule_runs run
    join analysis_jobs job on job.id = run.job_id
    where run.schedule_id = old.schedule_id
    order by job.waiting_reason is not distinct from 'an earlier run of its schedule',
      job.scheduled_for
    limit 1;
  -- The first of them waits: no other run is in its way.
  update analysis_jobs
  set ready = true, waiting_reason = null
  where id = next_id
    and status = 'pending'
    and waiting_reason = 'an earlier run of its schedule';
  if found then
    perform pg_notify('kiln_jobs', '');
  end if;
  return null;
end
$$;

create trigger kiln_analysis_jobs_5_end_run after update of status on analysis_jobs
  for each row when (
    old.schedule_id is not null
    and old.status in ('pending', 'running')
    and new.status in ('completed', 'failed', 'cancelled')
  )
  execute function kiln_end_run();
create trigger kiln_analysis_jobs_6_delete_run after delete on analysis_jobs
  for each row when (old.schedule_id is not null and old.status in ('pending', 'running'))
  execute function kiln_end_run();

-- migrate:down
drop trigger kiln_analysis_jobs_5_end_run on analysis_jobs;
drop trigger kiln_analysis_jobs_6_delete_run on analysis_jobs;
drop trigger kiln_analysis_schedules_1_edit on analysis_schedules;
drop trigger kiln_analysis_schedules_2_notify_insert on analysis_schedules;
drop trigger kiln_analysis_schedules_3_notify_update on analysis_schedules;
drop function kiln_edit_schedule, kiln_notify_schedules, kiln_end_run;
update analysis_schedule_occurrences set job_id = null
where job_id is not null
  and job_id not in (select id from analysis_jobs);
alter table analysis_schedule_occurrences
  add constraint analysis_schedule_occurrences_job_id_fkey
  foreign key (job_id) references analysis_jobs (id) on delete set null;
create index kiln_analysis_schedule_occurrences_job on analysis_schedule_occurrences (job_id)
  where job_id is not null;
drop table analysis_schedule_runs;
alter table analysis_jobs drop column schedule_timezone;
drop index kiln_analysis_schedule_occurrences_missed;
alter table analysis_schedule_occurrences drop column missed_from, drop column revision;
drop index kiln_analysis_schedules_unplanned;
drop index kiln_analysis_schedules_script;
alter table analysis_schedules
  drop column last_scheduled_for,
  drop column paused_at,
  drop column paused_by,
  drop column resumed_at,
  drop column origin,
  drop column declared,
  drop column revision,
  drop column zone_data,
  drop column rule_error_at;
