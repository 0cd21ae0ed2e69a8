-- The project database, a DuckDB file, has many readers or one writer at a time. Its slots are those of
-- 0008: a job that needs one waits outside the ready set and holds it from its admission to its end.
-- Jobs that need none pay nothing.

-- migrate:up
alter table analyses
  -- What the current version declares, kept by a trigger; null for neither.
  add column database_use text
    constraint kiln_analyses_database_use check (database_use in ('read', 'write'));

alter table analysis_jobs
  -- The slot it waits for, or holds if holds_slot: then it is one reader, or the writer.
  add column database_use text
    constraint kiln_analysis_jobs_database_use check (database_use in ('read', 'write')),
  -- The data folder with the project's database: only its executors claim the job.
  add column database_home text,
  -- Set before the job's transaction in DuckDB commits, until the row says how that ended. Meanwhile
  -- only that file knows whether the job has completed, so nobody may decide it here.
  add column committing_at timestamptz;

create index kiln_analysis_jobs_committing on analysis_jobs (committing_at)
  where committing_at is not null;

-- The same for children that wait with their parents running, and which came first.
alter table analysis_slot_requests
  add column database_use text
    constraint kiln_analysis_slot_requests_database_use check (database_use in ('read', 'write')),
  add column first_asked_at timestamptz not null default now();

-- Slots of what is no job: a query, a backup, a move. Void 30 s after their last beat.
create table analysis_database_holds (
  id uuid primary key,
  project_id text not null references projects (id) on delete cascade,
  database_use text not null
    constraint kiln_analysis_database_holds_use check (database_use in ('read', 'write')),
  purpose text not null,
  -- Null while it waits.
  granted_at timestamptz,
  created_at timestamptz not null default now(),
  beat_at timestamptz not null default now()
);

create index kiln_analysis_database_holds_project on analysis_database_holds (project_id);

create function kiln_declared_use(definition jsonb) returns text
language sql immutable as $$
  select case
    when definition ->> 'database' in ('read', 'write') then definition ->> 'database'
  end
$$;

-- Who has the database of each project, and who waits for it with a right of way before the queue.
create view analysis_database_users as
select analysis.project_id, job.database_use, job.id as job_id, null::uuid as hold_id,
  job.status as state, analysis.name as purpose, coalesce(job.started_at, job.run_at) as since
from analysis_jobs job
join analyses analysis on analysis.id = job.analysis_id
where job.holds_slot
  and job.database_use is not null
union all
select project_id, database_use, null, id,
  case when granted_at is null then 'asked' else 'granted' end, purpose,
  coalesce(granted_at, created_at)
from analysis_database_holds
where beat_at > now() - interval '30 seconds'
union all
select analysis.project_id, request.database_use, null, request.id, 'asked', analysis.name,
  request.first_asked_at
from analysis_slot_requests request
join analyses analysis on analysis.id = request.analysis_id
where request.database_use is not null
  and request.asked_at > now() - interval '5 seconds';

-- True when an executor runs that may open the project's database.
create function kiln_is_home_served(home text) returns boolean
language sql stable as $$
  select home is null or exists (
    select
    from analysis_executors
    where data_folder_id::text = home
      and kind = 'service'
      and stopped_at is null
      and not is_draining
      and beat_at > now() - interval '8 seconds'
  )
$$;

-- Why a job that needs the database waits; null when nothing is in its way.
create function kiln_database_reason(named_project_id text, needed text) returns text
language sql stable as $$
  select case
    when users.writer is not null
      then format('the database of the project "%s" is being written by %s', project.id, users.writer)
    when needed = 'write' and users.readers > 0
      then format('the database of the project "%s" is being read by %s', project.id,
        case users.readers when 1 then '1 other' else users.readers || ' others' end)
    when not kiln_is_home_served(project.home_folder)
      then format('the database of the project "%s" is in the data folder %s, and no executor of it runs',
        project.id, project.home_folder)
  end
  from projects project
  cross join lateral (
    select
      min(coalesce('job ' || job_id, purpose)) filter (where database_use = 'write') as writer,
      count(*) filter (where database_use = 'read') as readers
    from analysis_database_users
    where project_id = project.id
      and state <> 'asked'
  ) users
  where project.id = named_project_id
$$;

create or replace function kiln_limit_reason(limited_id uuid) returns text
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
      end,
      case
        when analysis.database_use is not null
          then format('the database of the project "%s" has one writer or many readers at a time',
            project.id)
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

create or replace function kiln_limit_reasons(ids uuid[]) returns jsonb
language sql stable as $$
  select jsonb_object_agg(analysis.id, kiln_limit_reason(analysis.id))
  from analyses analysis
  join projects project on project.id = analysis.project_id
  where analysis.id = any (ids)
    and (
      analysis.max_concurrent is not null
      or project.max_concurrent is not null
      or analysis.database_use is not null
    )
$$;

create or replace function kiln_read_limit() returns trigger language plpgsql as $$
begin
  update analyses
  set max_concurrent = kiln_declared_limit(new.definition, new.definition_error),
    database_use = kiln_declared_use(new.definition)
  where id = new.analysis_id
    and version = new.version_number
    and (max_concurrent, database_use) is distinct from
      (kiln_declared_limit(new.definition, new.definition_error), kiln_declared_use(new.definition));
  return null;
end
$$;

update analyses
set database_use = kiln_declared_use(version.definition)
from analysis_versions version
where version.analysis_id = analyses.id
  and version.version_number = analyses.version
  and kiln_declared_use(version.definition) is not null;

-- A job that begins to wait waits for what its analysis needs now, or what an older version of it was
-- found to need: write is the greater.
create function kiln_need_database() returns trigger language plpgsql as $$
begin
  new.database_use := greatest(
    (select database_use from analyses where id = new.analysis_id),
    new.database_use
  );
  return new;
end
$$;

create trigger kiln_analysis_jobs_8_database before update on analysis_jobs
  for each row when (new.waits_for_slot and not old.waits_for_slot)
  execute function kiln_need_database();

create function kiln_change_database_use() returns trigger language plpgsql as $$
begin
  update analysis_jobs
  set database_use = new.database_use
  where waits_for_slot
    and status = 'pending'
    and analysis_id = new.id
    and database_use is distinct from new.database_use;
  perform kiln_apply_limits(array[new.id]);
  return null;
end
$$;

create constraint trigger kiln_analyses_6_database
  after update of database_use, script_content on analyses
  deferrable initially deferred
  for each row when (new.database_use is distinct from old.database_use)
  execute function kiln_change_database_use();

-- Not even a cancel: it comes too late, and changes nothing. Whoever ends the doubt clears the mark in
-- the same statement.
create function kiln_keep_committing() returns trigger language plpgsql as $$
begin
  return null;
end
$$;

create trigger kiln_analysis_jobs_0_committing before update on analysis_jobs
  for each row when (
    old.committing_at is not null
    and new.committing_at is not null
    and (
      new.status is distinct from old.status
      or new.lease_token is distinct from old.lease_token
      or new.holds_slot is distinct from old.holds_slot
    )
  )
  execute function kiln_keep_committing();

-- migrate:down
drop trigger kiln_analysis_jobs_0_committing on analysis_jobs;
drop trigger kiln_analyses_6_database on analyses;
drop trigger kiln_analysis_jobs_8_database on analysis_jobs;
drop function kiln_keep_committing, kiln_change_database_use, kiln_need_database;

create or replace function kiln_read_limit() returns trigger language plpgsql as $$
begin
  update analyses
  set max_concurrent = kiln_declared_limit(new.definition, new.definition_error)
  where id = new.analysis_id
    and version = new.version_number
    and max_concurrent is distinct from kiln_declared_limit(new.definition, new.definition_error);
  return null;
end
$$;

create or replace function kiln_limit_reasons(ids uuid[]) returns jsonb
language sql stable as $$
  select jsonb_object_agg(analysis.id, kiln_limit_reason(analysis.id))
  from analyses analysis
  join projects project on project.id = analysis.project_id
  where analysis.id = any (ids)
    and (analysis.max_concurrent is not null or project.max_concurrent is not null)
$$;

create or replace function kiln_limit_reason(limited_id uuid) returns text
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

drop function kiln_database_reason, kiln_is_home_served;
drop view analysis_database_users;
drop function kiln_declared_use;
drop table analysis_database_holds;
alter table analysis_slot_requests drop column database_use, drop column first_asked_at;
drop index kiln_analysis_jobs_committing;
alter table analysis_jobs
  drop column database_use,
  drop column database_home,
  drop column committing_at;
alter table analyses drop column database_use;
