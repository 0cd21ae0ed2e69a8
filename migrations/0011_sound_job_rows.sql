-- Anybody may write job rows by SQL. Whatever stands in one, it must not keep the queue from its
-- work: values that make no sense are refused, a job that is set to running and belongs to nobody is
-- found, and whoever holds a job, or puts it off, is obeyed.

-- migrate:up

-- Obeyed from now on, null for no limit. So far every job got a 1 that meant nothing, and would not
-- be run again when its executor dies. Completed jobs, of which there may be millions, keep theirs.
alter table analysis_jobs
  alter column max_attempts drop not null,
  alter column max_attempts drop default;
update analysis_jobs
set max_attempts = null
where max_attempts = 1
  and status <> 'completed';

-- From the year 1 to the end of 9999: sums and differences of such instants never overflow, and they
-- can be written with a year of four digits.
create function kiln_is_instant(value timestamptz) returns boolean
language sql immutable as $$
  select value >= to_timestamp(-62135596800) and value < to_timestamp(253402214400)
$$;

-- So far below the greatest integer that the queue's own steps stay inside, one at a time.
create function kiln_is_count(value integer) returns boolean
language sql immutable as $$
  select value between 0 and 1000000000
$$;

-- Repairs what is there; the outcome of a job that has ended does not change, but for an instant that
-- is none.
alter table analysis_jobs disable trigger kiln_analysis_jobs_1_final;
update analysis_jobs
set attempt = least(greatest(attempt, 0), 1000000000),
  lost_count = least(greatest(lost_count, 0), 1000000000),
  handed_back_count = least(greatest(handed_back_count, 0), 1000000000),
  created_at = case when kiln_is_instant(created_at) then created_at else now() end,
  run_at = case
    when kiln_is_instant(run_at) then run_at
    when run_at > now() then 'infinity'
    else now()
  end,
  started_at = case when kiln_is_instant(started_at) then started_at end,
  completed_at = case when kiln_is_instant(completed_at) then completed_at else now() end,
  scheduled_for = case when kiln_is_instant(scheduled_for) then scheduled_for end,
  parent_job_id = nullif(parent_job_id, id)
where not (
    kiln_is_count(attempt)
    and kiln_is_count(lost_count)
    and kiln_is_count(handed_back_count)
    and kiln_is_instant(created_at)
    and (kiln_is_instant(run_at) or run_at = 'infinity')
    and coalesce(kiln_is_instant(started_at), true)
    and coalesce(kiln_is_instant(completed_at), true)
    and coalesce(kiln_is_instant(scheduled_for), true)
    and parent_job_id is distinct from id
  );
alter table analysis_jobs enable trigger kiln_analysis_jobs_1_final;

-- Few, and without functions of ours: each write of the queue prepares them anew. The instants are
-- those of kiln_is_instant.
alter table analysis_jobs
  add constraint kiln_analysis_jobs_counts check (
    attempt between 0 and 1000000000
    and lost_count between 0 and 1000000000
    and handed_back_count between 0 and 1000000000
  ),
  add constraint kiln_analysis_jobs_instants check (
    created_at >= to_timestamp(-62135596800)
    and created_at < to_timestamp(253402214400)
    -- Infinity: never.
    and run_at >= to_timestamp(-62135596800)
    and (run_at < to_timestamp(253402214400) or run_at = 'infinity')
    and (started_at is null or started_at >= to_timestamp(-62135596800))
    and (started_at is null or started_at < to_timestamp(253402214400))
    and (completed_at is null or completed_at >= to_timestamp(-62135596800))
    and (completed_at is null or completed_at < to_timestamp(253402214400))
    and (scheduled_for is null or scheduled_for >= to_timestamp(-62135596800))
    and (scheduled_for is null or scheduled_for < to_timestamp(253402214400))
  ),
  add constraint kiln_analysis_jobs_parent check (parent_job_id <> id);

-- Null if they can be kept, else why not. A claim reads the parameters of all the jobs it takes, so
-- that huge ones would make it time out again and again; and whoever writes JSON goes down into it.
create function kiln_parameters_problem(parameters jsonb) returns text
language sql immutable as $$
  select case
    when octet_length(parameters::text) > 8388608 then 'the parameters are larger than 8 MB'
    when jsonb_path_exists(parameters, 'strict $.**{100}')
      then 'the parameters are nested 100 levels deep or more'
  end
$$;

create function kiln_check_parameters() returns trigger language plpgsql as $$
declare
  problem text := kiln_parameters_problem(new.parameters);
begin
  if problem is not null then
    raise exception '%', problem
      using hint = 'put the data where the analysis can read it, and pass its name',
        errcode = 'check_violation';
  end if;
  return new;
end
$$;

-- When they are written, and not by a constraint: each claim and each end would look at them again.
create trigger kiln_analysis_jobs_1_parameters before insert or update of parameters on analysis_jobs
  for each row when (new.parameters <> '{}')
  execute function kiln_check_parameters();

-- Firing makes the jobs of many schedules at a time.
update analysis_schedules
set enabled = false, pause_reason = kiln_parameters_problem(parameters)
where kiln_parameters_problem(parameters) is not null;
create trigger kiln_analysis_schedules_0_parameters
  before insert or update of parameters on analysis_schedules
  for each row when (new.parameters <> '{}')
  execute function kiln_check_parameters();

update analysis_executors
set beat_at = case when kiln_is_instant(beat_at) then beat_at else now() end,
  process_identity = case when jsonb_typeof(process_identity) = 'object' then process_identity else '{}' end
where not (kiln_is_instant(beat_at) and jsonb_typeof(process_identity) = 'object');
alter table analysis_executors
  add constraint kiln_analysis_executors_beat_at check (kiln_is_instant(beat_at)),
  add constraint kiln_analysis_executors_process_identity
    check (jsonb_typeof(process_identity) = 'object');

-- The leases of an executor whose row is deleted stay, as nobody's: whoever looks for dead executors
-- finds their jobs by them.
alter table analysis_leases drop constraint analysis_leases_executor_id_fkey;
alter table analysis_leases add constraint analysis_leases_executor_id_fkey
  foreign key (executor_id) references analysis_executors (id) on delete set null;

-- Gives every running job that no lease names one, by which it will be found: of its executor, or
-- nobody's. Reads the whole table.
create function kiln_lease_running_jobs() returns void
language sql volatile as $$
  insert into analysis_leases (token, executor_id, job_ids)
  select gen_random_uuid(), executor.id, array_agg(job.id)
  from analysis_jobs job
  left join analysis_executors executor on executor.id = job.executor_id
  where job.status = 'running'
    and not exists (
      select
      from analysis_leases lease
      where job.id = any (lease.job_ids)
        and lease.executor_id is not distinct from executor.id
    )
  group by executor.id
$$;

select kiln_lease_running_jobs();

create function kiln_keep_leases() returns trigger language plpgsql as $$
begin
  perform kiln_lease_running_jobs();
  return null;
end
$$;

create trigger kiln_analysis_leases_1_truncate after truncate on analysis_leases
  for each statement execute function kiln_keep_leases();

-- A job that is set to running, or given to another executor, by SQL has a lease of its own. A claim
-- makes its own for all the jobs it takes, and names it in each.
create function kiln_lease_job() returns trigger language plpgsql as $$
begin
  insert into analysis_leases (token, executor_id, job_ids)
  values (
    gen_random_uuid(),
    (select id from analysis_executors where id = new.executor_id),
    array[new.id]
  );
  return new;
end
$$;

create trigger kiln_analysis_jobs_7_lease before update on analysis_jobs
  for each row when (
    new.status = 'running'
    and (
      (old.status <> 'running' and (new.lease_token is null or new.executor_id is null))
      or (
        old.status = 'running'
        and (
          new.lease_token is distinct from old.lease_token
          or new.executor_id is distinct from old.executor_id
        )
      )
    )
  )
  execute function kiln_lease_job();

create or replace function kiln_leave_queue() returns trigger language plpgsql as $$
begin
  new.ready := false;
  new.waiting_reason := null;
  -- Without token or executor it gets its lease after this.
  if new.status = 'running' and new.lease_token is not null and new.executor_id is not null then
    insert into analysis_leases (token, executor_id, job_ids)
    values (
      new.lease_token,
      (select id from analysis_executors where id = new.executor_id),
      array[new.id]
    )
    on conflict (token) do update set job_ids = analysis_leases.job_ids || excluded.job_ids;
  end if;
  return new;
end
$$;

-- Whoever takes `ready` from a pending job means that it shall not run, also if it waits already or
-- has been admitted: it is no longer the limits' to let go. The slot it holds is free.
create function kiln_hold_job() returns trigger language plpgsql as $$
begin
  if new.ready then
    new.waiting_reason := nullif(new.waiting_reason, 'held');
    return new;
  end if;
  if new.waiting_reason is not distinct from old.waiting_reason
    and (
      old.ready
      or old.waits_for_slot
      or old.waiting_reason = 'an earlier run of its schedule'
    ) then
    new.waiting_reason := 'held';
  end if;
  if old.holds_slot then
    perform pg_notify('kiln_slots', '');
  end if;
  new.waits_for_slot := false;
  new.holds_slot := false;
  return new;
end
$$;

-- The queue's own changes of `ready` change `waits_for_slot` too.
create trigger kiln_analysis_jobs_4_hold before update of ready on analysis_jobs
  for each row when (
    old.status = 'pending'
    and new.status = 'pending'
    and not (old.ready and new.ready)
    and new.waits_for_slot = old.waits_for_slot
  )
  execute function kiln_hold_job();

-- One that was admitted and is put off waits for its turn again, and not with a slot in its hand.
create function kiln_postpone_job() returns trigger language plpgsql as $$
begin
  new.holds_slot := false;
  perform from analyses where id = new.analysis_id for key share;
  new.waiting_reason := kiln_limit_reason(new.analysis_id);
  new.waits_for_slot := new.waiting_reason is not null;
  new.ready := not new.waits_for_slot;
  perform pg_notify('kiln_slots', '');
  return new;
end
$$;

create trigger kiln_analysis_jobs_4_postpone before update of run_at on analysis_jobs
  for each row when (
    old.status = 'pending'
    and new.status = 'pending'
    and new.ready
    and new.holds_slot
    and new.run_at > now()
  )
  execute function kiln_postpone_job();

-- Sets `ready` only where it changes: whoever sets it of a job that waits means to hold it.
create or replace function kiln_hold_back(ids uuid[], reasons jsonb) returns void
language sql volatile set enable_seqscan = off as $$
  update analysis_jobs
  set waiting_reason = reasons ->> analysis_id::text
  where id = any (ids)
    and status = 'pending'
    and waits_for_slot;

  update analysis_jobs
  set ready = false, holds_slot = false, waits_for_slot = true,
    waiting_reason = reasons ->> analysis_id::text
  where id = any (ids)
    and status = 'pending'
    and not waits_for_slot
$$;

-- migrate:down
create or replace function kiln_hold_back(ids uuid[], reasons jsonb) returns void
language sql volatile set enable_seqscan = off as $$
  update analysis_jobs
  set ready = false, holds_slot = false, waits_for_slot = true,
    waiting_reason = reasons ->> analysis_id::text
  where id = any (ids)
    and status = 'pending'
$$;

drop trigger kiln_analysis_schedules_0_parameters on analysis_schedules;
drop trigger kiln_analysis_jobs_1_parameters on analysis_jobs;
drop trigger kiln_analysis_jobs_4_postpone on analysis_jobs;
drop trigger kiln_analysis_jobs_4_hold on analysis_jobs;
drop trigger kiln_analysis_jobs_7_lease on analysis_jobs;
drop trigger kiln_analysis_leases_1_truncate on analysis_leases;

create or replace function kiln_leave_queue() returns trigger language plpgsql as $$
begin
  new.ready := false;
  new.waiting_reason := null;
  if new.status = 'running' then
    insert into analysis_leases (token, executor_id, job_ids)
    values (
      coalesce(new.lease_token, gen_random_uuid()),
      (select id from analysis_executors where id = new.executor_id),
      array[new.id]
    )
    on conflict (token) do update set job_ids = analysis_leases.job_ids || excluded.job_ids;
  end if;
  return new;
end
$$;

alter table analysis_leases drop constraint analysis_leases_executor_id_fkey;
alter table analysis_leases add constraint analysis_leases_executor_id_fkey
  foreign key (executor_id) references analysis_executors (id) on delete cascade;

alter table analysis_executors
  drop constraint kiln_analysis_executors_beat_at,
  drop constraint kiln_analysis_executors_process_identity;
alter table analysis_jobs
  drop constraint kiln_analysis_jobs_counts,
  drop constraint kiln_analysis_jobs_instants,
  drop constraint kiln_analysis_jobs_parent;
drop function kiln_postpone_job, kiln_hold_job, kiln_lease_job, kiln_keep_leases,
  kiln_lease_running_jobs, kiln_check_parameters, kiln_parameters_problem, kiln_is_count,
  kiln_is_instant;

update analysis_jobs set max_attempts = 1 where max_attempts is null;
alter table analysis_jobs
  alter column max_attempts set default 1,
  alter column max_attempts set not null;
