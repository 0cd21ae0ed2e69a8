-- Restores replace tables. While one is under way nobody may add what it would throw away; what it did
-- is kept, so that one that was killed can be finished or undone.

-- migrate:up
create table analysis_restores (
  -- Also the end of the names of its schemas.
  id text primary key,
  -- The backup set, or the file, that it restores.
  source text not null,
  -- Between `staged` and `done` lies one transaction: until it commits, nothing that counts has changed.
  state text not null check (state in ('staging', 'staged', 'done', 'rolled_back')),
  -- How the tables take their place: exchanged with the live ones, or filled where they are.
  method text not null check (method in ('exchange', 'in_place')),
  -- With the rows of before; null once it is dropped.
  old_schema text,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  details jsonb not null default '{}'
);

-- The restore holds this lock for itself. "kiln" in ASCII, as the lock of migrations has it.
create function kiln_refuse_while_restoring() returns trigger language plpgsql as $$
begin
  if not pg_try_advisory_xact_lock_shared(1802071150, 2) then
    raise exception 'a restore is under way'
      using hint = 'try again when it has ended',
        errcode = 'lock_not_available';
  end if;
  return null;
end
$$;

-- Of an executor nothing but its entry is looked at: without one it claims nothing.
create trigger kiln_analysis_executors_0_restoring before insert on analysis_executors
  for each statement execute function kiln_refuse_while_restoring();
create trigger kiln_analysis_jobs_0_restoring before insert on analysis_jobs
  for each statement execute function kiln_refuse_while_restoring();
create trigger kiln_analyses_0_restoring before insert or update or delete on analyses
  for each statement execute function kiln_refuse_while_restoring();
create trigger kiln_analysis_schedules_0_restoring before insert or delete on analysis_schedules
  for each statement execute function kiln_refuse_while_restoring();
create trigger kiln_analysis_datasources_0_restoring
  before insert or update or delete on analysis_datasources
  for each statement execute function kiln_refuse_while_restoring();

-- migrate:down
drop trigger kiln_analysis_datasources_0_restoring on analysis_datasources;
drop trigger kiln_analysis_schedules_0_restoring on analysis_schedules;
drop trigger kiln_analyses_0_restoring on analyses;
drop trigger kiln_analysis_jobs_0_restoring on analysis_jobs;
drop trigger kiln_analysis_executors_0_restoring on analysis_executors;
drop function kiln_refuse_while_restoring;
drop table analysis_restores;
