-- The hot path. A claim enters one row for all the jobs it takes, and nothing that is indexed
-- changes when a job ends: Postgres then updates the row where it stands, without writing to any
-- index. So no index, nor the predicate of one, may name a column that an ordinary end changes:
-- status, lease_token, executor_id, completed_at.

-- migrate:up
create table analysis_leases (
  -- The lease token of every job that this claim took.
  token uuid primary key,
  -- Null for a job that somebody set to running by SQL.
  executor_id uuid references analysis_executors (id) on delete cascade,
  -- Not kept in step: which of them still run is told by their rows. The row goes with the last.
  job_ids uuid[] not null,
  claimed_at timestamptz not null default now()
);

create index kiln_analysis_leases_executor on analysis_leases (executor_id);

alter table analysis_leases set (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000
);

insert into analysis_leases (token, executor_id, job_ids)
select coalesce(lease_token, id), executor_id, array_agg(id)
from analysis_jobs
where status = 'running'
group by coalesce(lease_token, id), executor_id;

-- Room on each page for the row as it will be when its job has ended.
alter table analysis_jobs set (fillfactor = 70);

-- The row of an executor may go while its jobs stay; checking it at each claim costs more than the
-- claim's own write.
alter table analysis_jobs drop constraint analysis_jobs_executor_id_fkey;

drop index kiln_analysis_jobs_claim;
drop index kiln_analysis_jobs_held;
drop index kiln_analysis_jobs_executor;
drop index kiln_analysis_jobs_waiting;

-- Exactly the claim's order. `ready` is true only while a job is pending and may be claimed.
update analysis_jobs set ready = false where ready and status <> 'pending';
create index kiln_analysis_jobs_claim on analysis_jobs (priority desc, run_at, id) where ready;
create index kiln_analysis_jobs_waiting on analysis_jobs (run_at)
  where not ready and waiting_reason is not null;

-- Whoever ends or takes a job by SQL need not know of the queue's own columns.
create function kiln_leave_queue() returns trigger language plpgsql as $$
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

create trigger kiln_analysis_jobs_3_leave_queue before update on analysis_jobs
  for each row when (new.status <> 'pending' and (new.ready or new.waiting_reason is not null))
  execute function kiln_leave_queue();

-- Whoever makes a job pending again by SQL means that it shall run; whoever takes `ready` from a
-- pending one means that it shall not.
create function kiln_join_queue() returns trigger language plpgsql as $$
begin
  if old.status = 'pending' then
    new.waiting_reason := 'held';
  else
    new.ready := true;
  end if;
  return new;
end
$$;

create trigger kiln_analysis_jobs_4_join_queue before update on analysis_jobs
  for each row when (
    new.status = 'pending' and not new.ready and new.waiting_reason is null
  )
  execute function kiln_join_queue();

create or replace function kiln_complete_new_job() returns trigger language plpgsql as $$
begin
  new.parameters := coalesce(new.parameters, '{}');
  new.triggered_by := coalesce(new.triggered_by, 'manual');
  new.ready := new.ready and new.status = 'pending';
  if new.status = 'pending' and not new.ready then
    new.waiting_reason := coalesce(new.waiting_reason, 'held');
  end if;
  return new;
end
$$;

-- A job that is inserted as running has its lease too: a one-shot command inserts its job claimed.
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

-- The last attempt of a job that ended is the job row itself; only earlier ones need rows of their
-- own. The view shows them all.
alter table analysis_job_attempts rename to analysis_job_past_attempts;
alter index analysis_job_attempts_pkey rename to analysis_job_past_attempts_pkey;
alter table analysis_job_past_attempts
  rename constraint analysis_job_attempts_job_id_fkey to analysis_job_past_attempts_job_id_fkey;
alter table analysis_job_past_attempts
  rename constraint analysis_job_attempts_outcome_check to analysis_job_past_attempts_outcome_check;

delete from analysis_job_past_attempts past
using analysis_jobs job
where job.id = past.job_id
  and job.attempt = past.number
  and job.status in ('completed', 'failed', 'cancelled')
  and job.started_at is not null;

create view analysis_job_attempts as
select job_id, number, executor_id, executor_label, started_at, finished_at, outcome, error_code,
  error_message
from analysis_job_past_attempts
union all
select job.id, job.attempt, job.executor_id, executor.label, job.started_at, job.completed_at,
  case when job.error_code = 'executor_lost' then 'lost' else job.status end,
  nullif(job.error_code, 'cancelled'), job.error_message
from analysis_jobs job
left join analysis_executors executor on executor.id = job.executor_id
where job.status in ('completed', 'failed', 'cancelled')
  and job.started_at is not null
  and job.attempt > 0;

create or replace function kiln_cancel_job() returns trigger language plpgsql as $$
begin
  new.completed_at := coalesce(new.completed_at, now());
  new.error_code := coalesce(new.error_code, 'cancelled');
  if old.started_at is not null then
    new.execution_time_ms := coalesce(
      new.execution_time_ms,
      greatest(0, extract(epoch from new.completed_at - old.started_at) * 1000)::bigint
    );
  end if;
  perform pg_notify('kiln_cancel', '');
  return new;
end
$$;

-- migrate:down
create or replace function kiln_notify_jobs() returns trigger language plpgsql as $$
begin
  if exists (select from new_jobs where status = 'pending' and ready) then
    perform pg_notify('kiln_jobs', '');
  end if;
  return null;
end
$$;

create or replace function kiln_cancel_job() returns trigger language plpgsql as $$
begin
  new.completed_at := coalesce(new.completed_at, now());
  new.error_code := coalesce(new.error_code, 'cancelled');
  new.waiting_reason := null;
  if old.started_at is not null then
    new.execution_time_ms := coalesce(
      new.execution_time_ms,
      greatest(0, extract(epoch from new.completed_at - old.started_at) * 1000)::bigint
    );
  end if;
  if old.status = 'running' then
    insert into analysis_job_attempts
      (job_id, number, executor_id, executor_label, started_at, finished_at, outcome, error_message)
    values (
      new.id, new.attempt, new.executor_id,
      (select label from analysis_executors where id = new.executor_id),
      new.started_at, new.completed_at, 'cancelled', new.error_message
    )
    on conflict do nothing;
  end if;
  perform pg_notify('kiln_cancel', '');
  return new;
end
$$;

create table kiln_last_attempts as
select *
from analysis_job_attempts attempt
where not exists (
  select
  from analysis_job_past_attempts past
  where past.job_id = attempt.job_id
    and past.number = attempt.number
);
drop view analysis_job_attempts;
insert into analysis_job_past_attempts select * from kiln_last_attempts;
drop table kiln_last_attempts;
alter table analysis_job_past_attempts
  rename constraint analysis_job_past_attempts_outcome_check to analysis_job_attempts_outcome_check;
alter table analysis_job_past_attempts
  rename constraint analysis_job_past_attempts_job_id_fkey to analysis_job_attempts_job_id_fkey;
alter index analysis_job_past_attempts_pkey rename to analysis_job_attempts_pkey;
alter table analysis_job_past_attempts rename to analysis_job_attempts;

create or replace function kiln_complete_new_job() returns trigger language plpgsql as $$
begin
  new.parameters := coalesce(new.parameters, '{}');
  new.triggered_by := coalesce(new.triggered_by, 'manual');
  return new;
end
$$;

drop trigger kiln_analysis_jobs_4_join_queue on analysis_jobs;
drop trigger kiln_analysis_jobs_3_leave_queue on analysis_jobs;
drop function kiln_join_queue, kiln_leave_queue;
update analysis_jobs set ready = true where not ready and waiting_reason is null;
drop index kiln_analysis_jobs_waiting;
drop index kiln_analysis_jobs_claim;
update analysis_jobs set executor_id = null
where executor_id not in (select id from analysis_executors);
alter table analysis_jobs add constraint analysis_jobs_executor_id_fkey
  foreign key (executor_id) references analysis_executors (id) on delete set null;
create index kiln_analysis_jobs_claim on analysis_jobs (priority desc, run_at, id)
  where status = 'pending' and ready;
create index kiln_analysis_jobs_held on analysis_jobs (executor_id) where status = 'running';
create index kiln_analysis_jobs_executor on analysis_jobs (executor_id) where executor_id is not null;
create index kiln_analysis_jobs_waiting on analysis_jobs (run_at)
  where status = 'pending' and not ready;
alter table analysis_jobs reset (fillfactor);
drop table analysis_leases;
