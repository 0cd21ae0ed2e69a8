-- Limits on how many jobs of an analysis, and of a project, run at a time. A job under a limit waits
-- outside the ready set, so that claims never step over it; it holds a slot from when it is admitted
-- to when it ends. Jobs without a limit pay nothing: no column of theirs changes, and nothing is
-- looked up for them but once for each statement that inserts.

-- migrate:up
alter table analyses
  -- What the current version declares, kept by triggers; null for no limit. 1 until the version has
  -- been read: the first job reads it, and a second beside it might be one too many.
  add column max_concurrent integer default 1
    constraint kiln_analyses_max_concurrent check (max_concurrent >= 1);

alter table projects
  -- Most jobs of all its analyses at a time, but for children of its own jobs; null for no limit.
  add column max_concurrent integer
    constraint kiln_projects_max_concurrent check (max_concurrent >= 1);

alter table analysis_jobs
  -- Pending and not ready, because of a limit; only an admission, or whoever sets ready, ends it.
  add column waits_for_slot boolean not null default false,
  -- Admitted, and so ready or running, under a limit.
  add column holds_slot boolean not null default false;

-- In the order in which an admission walks it: each analysis and priority that has waiting jobs,
-- then the due ones of that pair. Priorities ascend, so that one comparison finds the next pair.
create index kiln_analysis_jobs_slot_queue on analysis_jobs (analysis_id, priority, run_at, id)
  where waits_for_slot;
create index kiln_analysis_jobs_slots on analysis_jobs (analysis_id, parent_job_id)
  where holds_slot;

-- A running job that waits for a slot for a child of its own: the next slot of that analysis is kept
-- for it, since jobs of the queue would take each one before it looks again. Asked anew at each
-- look, so that a request of a process that died is void after 5 s.
create table analysis_slot_requests (
  id uuid primary key,
  analysis_id uuid not null references analyses (id) on delete cascade,
  asked_at timestamptz not null default now()
);

create index kiln_analysis_slot_requests_analysis on analysis_slot_requests (analysis_id);

-- Declared by a version: 1 for one that has not been read, null for one that cannot run.
create function kiln_declared_limit(definition jsonb, definition_error text) returns integer
language sql immutable as $$
  select case
    when definition_error is not null then null
    when definition is null then 1
    when jsonb_typeof(definition -> 'maxConcurrent') = 'number'
      then least(greatest((definition ->> 'maxConcurrent')::numeric, 1), 1000000)::integer
  end
$$;

-- Why a job of an analysis may have to wait; null when nothing limits it.
create function kiln_limit_reason(limited_id uuid) returns text
language sql stable as $$
  select nullif(
    concat_ws(
      ' and ',
      case
        when version.definition is null and version.definition_error is null
          and analysis.max_concurrent = 1
          then format('the analysis "%s" runs 1 job at a time until its script has been read',
            analysis.name)
        when analysis.max_concurrent is not null
          then format('the analysis "%s" runs at most %s at a time', analysis.name,
            case analysis.max_concurrent when 1 then '1 job' else analysis.max_concurrent || ' jobs' end)
      end,
      case
        when project.max_concurrent is not null
          then format('the project "%s" runs at most %s at a time', project.id,
            case project.max_concurrent when 1 then '1 job' else project.max_concurrent || ' jobs' end)
      end
    ),
    ''
  )
  from analyses analysis
  join projects project on project.id = analysis.project_id
  left join analysis_versions version
    on version.analysis_id = analysis.id
    and version.version_number = analysis.version
  where analysis.id = limited_id
$$;

-- One transaction at a time gives slots away, so that it sees those that another has given. Taken
-- last, when nothing is left to wait for.
create function kiln_lock_slots() returns void language sql volatile as $$
  select pg_advisory_xact_lock(hashtext('kiln_slots'), 0)
$$;

-- A new script has not been read yet.
create or replace function kiln_number_version() returns trigger language plpgsql as $$
begin
  if new.script_content is distinct from old.script_content then
    select coalesce(max(version_number), 0) + 1
      into new.version
      from analysis_versions
      where analysis_id = new.id;
    new.max_concurrent := 1;
    new.updated_at := now();
  else
    -- The number follows the script; it is not a field to edit.
    new.version := old.version;
    if new.max_concurrent is not distinct from old.max_concurrent then
      new.updated_at := now();
    end if;
  end if;
  return new;
end
$$;

create function kiln_read_limit() returns trigger language plpgsql as $$
begin
  update analyses
  set max_concurrent = kiln_declared_limit(new.definition, new.definition_error)
  where id = new.analysis_id
    and version = new.version_number
    and max_concurrent is distinct from kiln_declared_limit(new.definition, new.definition_error);
  return null;
end
$$;

create trigger kiln_analysis_versions_limit
  after insert or update of definition, definition_error on analysis_versions
  for each row execute function kiln_read_limit();

-- Each of these jobs waits for a slot, with the reason of its analysis. The reasons are looked up in
-- jsonb, and the jobs by their keys: a planner that has never seen so many would rather compare
-- each of 100,000 jobs with each other.
create function kiln_hold_back(ids uuid[], reasons jsonb) returns void
language sql volatile set enable_seqscan = off as $$
  update analysis_jobs
  set ready = false, holds_slot = false, waits_for_slot = true,
    waiting_reason = reasons ->> analysis_id::text
  where id = any (ids)
    and status = 'pending'
$$;

-- The limited ones of some analyses, each with its reason; null when none is.
create function kiln_limit_reasons(ids uuid[]) returns jsonb
language sql stable as $$
  select jsonb_object_agg(analysis.id, kiln_limit_reason(analysis.id))
  from analyses analysis
  join projects project on project.id = analysis.project_id
  where analysis.id = any (ids)
    and (analysis.max_concurrent is not null or project.max_concurrent is not null)
$$;

-- Once a statement, after the references to the analyses are checked: they keep a limit from being
-- set between this look and the commit.
create or replace function kiln_notify_jobs() returns trigger language plpgsql as $$
declare
  asked uuid[];
  reasons jsonb;
begin
  if exists (select from new_jobs where status = 'running') then
    insert into analysis_leases (token, executor_id, job_ids)
    select coalesce(job.lease_token, gen_random_uuid()), executor.id, array_agg(job.id)
    from new_jobs job
    left join analysis_executors executor on executor.id = job.executor_id
    where job.status = 'running'
    group by job.lease_token, executor.id
    on conflict (token) do update set job_ids = analysis_leases.job_ids || excluded.job_ids;
  end if;
  asked := array(select distinct analysis_id from new_jobs where ready);
  if asked = '{}' then
    return null;
  end if;
  reasons := kiln_limit_reasons(asked);
  if reasons is not null then
    perform kiln_hold_back(
      array(select id from new_jobs where ready and reasons ? analysis_id::text),
      reasons
    );
    -- A channel of its own, so that nobody looks for slots because of a job that needs none.
    perform pg_notify('kiln_slots', '');
  end if;
  if reasons is null or not reasons ?& asked::text[] then
    perform pg_notify('kiln_jobs', '');
  end if;
  return null;
end
$$;

-- Whatever makes a job ready again (a rescue, a retry, an operator) does so under the limits. The
-- lock on the analysis keeps one from being set between this look and the commit.
create function kiln_wait_for_slot() returns trigger language plpgsql as $$
declare
  reason text;
begin
  new.holds_slot := false;
  perform from analyses where id = new.analysis_id for key share;
  reason := kiln_limit_reason(new.analysis_id);
  if new.ready and reason is not null then
    new.ready := false;
    new.waits_for_slot := true;
    new.waiting_reason := coalesce(new.waiting_reason, reason);
    perform pg_notify('kiln_slots', '');
  end if;
  return new;
end
$$;

create trigger kiln_analysis_jobs_5_wait_for_slot before update on analysis_jobs
  for each row when (
    new.status = 'pending'
    and not old.waits_for_slot
    and ((new.ready and not old.ready) or (new.holds_slot and old.status <> 'pending'))
  )
  execute function kiln_wait_for_slot();

-- However a job stops waiting, or ends.
create function kiln_leave_slot() returns trigger language plpgsql as $$
begin
  new.waits_for_slot := false;
  new.holds_slot := new.holds_slot and new.status in ('pending', 'running');
  return new;
end
$$;

create trigger kiln_analysis_jobs_6_leave_slot before update on analysis_jobs
  for each row when (
    (new.waits_for_slot and (new.ready or new.status <> 'pending'))
    or (new.holds_slot and new.status not in ('pending', 'running'))
  )
  execute function kiln_leave_slot();

-- Puts the pending jobs of analyses under the limits as they are now. Jobs whose limit was taken
-- away stay where they are: admissions let them go, some hundred at a time.
create function kiln_apply_limits(changed uuid[]) returns void
language plpgsql set enable_seqscan = off as $$
declare
  reasons jsonb;
  counted uuid[];
begin
  -- Waits for transactions that insert jobs of them, and makes others wait.
  perform from analyses where id = any (changed) order by id for update;
  reasons := coalesce(kiln_limit_reasons(changed), '{}');

  -- Rows that others have locked are waited for: they may stay pending, and would run unlimited.
  perform kiln_hold_back(
    array(
      select id
      from analysis_jobs
      where ready
        and reasons ? analysis_id::text
      order by id
      for update
    ),
    reasons
  );

  -- The numbers have changed. A row that somebody has locked keeps the old words.
  perform kiln_hold_back(
    array(
      select id
      from analysis_jobs
      where waits_for_slot
        and waiting_reason like 'the %'
        and waiting_reason <> reasons ->> analysis_id::text
      for update skip locked
    ),
    reasons
  );

  -- What runs counts from now on, unless the limit stands only for a script that nobody has read.
  counted := array(
    select analysis.id
    from analyses analysis
    join analysis_versions version
      on version.analysis_id = analysis.id
      and version.version_number = analysis.version
    join projects project on project.id = analysis.project_id
    where analysis.id = any (changed)
      and reasons ? analysis.id::text
      and (version.definition is not null or project.max_concurrent is not null)
  );
  with running as (
    select job.id
    from analysis_leases lease
    cross join unnest(lease.job_ids) as leased (job_id)
    join analysis_jobs job on job.id = leased.job_id and job.lease_token = lease.token
    where job.status = 'running'
      and not job.holds_slot
      and job.analysis_id = any (counted)
    for update of job skip locked
  )
  update analysis_jobs
  set holds_slot = true
  where id in (select id from running);

  -- Only now, since from here on no row of others is waited for. An admission that came before this
  -- lock may have gone by the limits of before: what it admitted waits again.
  perform kiln_lock_slots();
  perform kiln_hold_back(
    array(
      select id
      from analysis_jobs
      where holds_slot
        and status = 'pending'
        and reasons ? analysis_id::text
      for update skip locked
    ),
    reasons
  );

  if exists (select from analysis_jobs where waits_for_slot and analysis_id = any (changed)) then
    perform pg_notify('kiln_slots', '');
  end if;
end
$$;

create function kiln_change_analysis_limit() returns trigger language plpgsql as $$
begin
  perform kiln_apply_limits(array[new.id]);
  return null;
end
$$;

create function kiln_change_project_limit() returns trigger language plpgsql as $$
begin
  perform kiln_apply_limits(array(select id from analyses where project_id = new.id));
  return null;
end
$$;

update analyses
set max_concurrent = kiln_declared_limit(version.definition, version.definition_error)
from analysis_versions version
where version.analysis_id = analyses.id
  and version.version_number = analyses.version
  and kiln_declared_limit(version.definition, version.definition_error) is distinct from 1;
select kiln_apply_limits(array(select id from analyses where max_concurrent is not null));

-- At the commit: the lock on all slots is then held for a moment, and not for as long as somebody
-- leaves a transaction open.
create constraint trigger kiln_analyses_5_limit
  after update of max_concurrent, project_id, script_content on analyses
  deferrable initially deferred
  for each row when (
    new.max_concurrent is distinct from old.max_concurrent
    or new.project_id is distinct from old.project_id
  )
  execute function kiln_change_analysis_limit();
create constraint trigger kiln_projects_limit after update of max_concurrent on projects
  deferrable initially deferred
  for each row when (new.max_concurrent is distinct from old.max_concurrent)
  execute function kiln_change_project_limit();

-- migrate:down
drop trigger kiln_projects_limit on projects;
drop trigger kiln_analyses_5_limit on analyses;
drop trigger kiln_analysis_jobs_6_leave_slot on analysis_jobs;
drop trigger kiln_analysis_jobs_5_wait_for_slot on analysis_jobs;
drop trigger kiln_analysis_versions_limit on analysis_versions;

update analysis_jobs set ready = true, waiting_reason = null where waits_for_slot;

create or replace function kiln_notify_jobs() returns trigger language plpgsql as $$
begin
  if exists (select from new_jobs where status = 'pending' and ready) then
    perform pg_notify('kiln_jobs', '');
  end if;
  if exists (select from new_jobs where status = 'running') then
    insert into analysis_leases (token, executor_id, job_ids)
    select coalesce(job.lease_token, gen_random_uuid()), executor.id, array_agg(job.id)
    from new_jobs job
    left join analysis_executors executor on executor.id = job.executor_id
    where job.status = 'running'
    group by job.lease_token, executor.id
    on conflict (token) do update set job_ids = analysis_leases.job_ids || excluded.job_ids;
  end if;
  return null;
end
$$;

create or replace function kiln_number_version() returns trigger language plpgsql as $$
begin
  if new.script_content is distinct from old.script_content then
    select coalesce(max(version_number), 0) + 1
      into new.version
      from analysis_versions
      where analysis_id = new.id;
  else
    -- The number follows the script; it is not a field to edit.
    new.version := old.version;
  end if;
  new.updated_at := now();
  return new;
end
$$;

drop function kiln_change_project_limit, kiln_change_analysis_limit, kiln_apply_limits,
  kiln_limit_reasons, kiln_hold_back, kiln_leave_slot, kiln_wait_for_slot, kiln_read_limit,
  kiln_lock_slots, kiln_limit_reason, kiln_declared_limit;
drop table analysis_slot_requests;
alter table analysis_jobs drop column holds_slot, drop column waits_for_slot;
alter table projects drop column max_concurrent;
alter table analyses drop column max_concurrent;
