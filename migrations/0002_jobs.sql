-- The queue: executors, jobs, their attempts and log lines, and the counters behind the metrics.

-- migrate:up
create table analysis_executors (
  id uuid primary key,
  label text not null,
  kind text not null check (kind in ('service', 'one_shot')),
  host text not null,
  pid integer not null,
  -- Names the process so that another on the same machine can prove it gone.
  process_identity jsonb not null default '{}',
  data_folder_id uuid,
  concurrency integer not null default 1 check (concurrency >= 1),
  program_version text,
  started_at timestamptz not null default now(),
  -- The heartbeat: database time, and a count that only goes up.
  beat_at timestamptz not null default now(),
  beat_count bigint not null default 0,
  is_draining boolean not null default false,
  stopped_at timestamptz,
  -- The beat that an observer saw standing still, and since when.
  suspected_beat_count bigint,
  suspected_at timestamptz
);

create table analysis_jobs (
  id uuid primary key default gen_random_uuid(),
  analysis_id uuid not null references analyses (id) on delete cascade,
  status text not null default 'pending'
    check (status in ('pending', 'running', 'completed', 'failed', 'cancelled')),
  parameters jsonb default '{}',
  result jsonb,
  error_message text,
  logs text[],
  created_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  execution_time_ms bigint,
  triggered_by text default 'manual',
  version_number integer,
  priority integer not null default 0,
  run_at timestamptz not null default now(),
  -- False while a limit or a slot keeps the job from running; waiting_reason says which.
  ready boolean not null default true,
  waiting_reason text,
  -- Claims so far, counted before the run, so that a job that kills its executor cannot loop.
  attempt integer not null default 0,
  max_attempts integer not null default 1 check (max_attempts >= 1),
  lost_count integer not null default 0,
  max_lost integer not null default 3 check (max_lost >= 0),
  handed_back_count integer not null default 0,
  executor_id uuid references analysis_executors (id) on delete set null,
  lease_token uuid,
  progress double precision check (progress between 0 and 1),
  progress_message text,
  schedule_id uuid,
  scheduled_for timestamptz,
  parent_job_id uuid references analysis_jobs (id) on delete cascade,
  retry_of uuid references analysis_jobs (id) on delete set null,
  idempotency_key text,
  error_code text,
  error_stack text,
  peak_memory_bytes bigint
);

-- Exactly the claim's order, and only what a claim may take: finished rows cost it nothing and it
-- never sorts.
create index kiln_analysis_jobs_claim on analysis_jobs (priority desc, run_at, id)
  where status = 'pending' and ready;
create index kiln_analysis_jobs_held on analysis_jobs (executor_id) where status = 'running';
create index kiln_analysis_jobs_executor on analysis_jobs (executor_id) where executor_id is not null;
create index kiln_analysis_jobs_analysis on analysis_jobs (analysis_id, created_at desc);
create index kiln_analysis_jobs_created on analysis_jobs (created_at desc, id desc);
create index kiln_analysis_jobs_parent on analysis_jobs (parent_job_id)
  where parent_job_id is not null;
create index kiln_analysis_jobs_retry on analysis_jobs (retry_of) where retry_of is not null;
create index kiln_analysis_jobs_schedule on analysis_jobs (schedule_id, scheduled_for)
  where schedule_id is not null;
create unique index kiln_analysis_jobs_idempotency on analysis_jobs (analysis_id, idempotency_key)
  where idempotency_key is not null;

-- By threshold and not by scale: with a million finished rows a scale of 20 % would let dead
-- entries pile up in the claim's index.
alter table analysis_jobs set (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 1000
);

-- One row per ended attempt. The running attempt is the job row itself.
create table analysis_job_attempts (
  job_id uuid not null references analysis_jobs (id) on delete cascade,
  number integer not null,
  executor_id uuid,
  executor_label text,
  started_at timestamptz,
  finished_at timestamptz not null default now(),
  outcome text not null
    check (outcome in ('completed', 'failed', 'cancelled', 'lost', 'handed_back')),
  error_code text,
  error_message text,
  primary key (job_id, number)
);

create table analysis_job_logs (
  job_id uuid not null references analysis_jobs (id) on delete cascade,
  attempt integer not null,
  line_number integer not null,
  level text not null check (level in ('debug', 'info', 'warn', 'error')),
  message text not null,
  logged_at timestamptz not null default now(),
  primary key (job_id, attempt, line_number)
);

-- Totals that only go up, one row per executor and name, summed when read: cleanup deletes jobs,
-- and a counter that falls reads as a restart. The zero uuid counts what no executor did.
create table analysis_counters (
  executor_id uuid not null default '00000000-0000-0000-0000-000000000000',
  name text not null,
  value double precision not null default 0,
  primary key (executor_id, name)
);

-- Constant payload, so that Postgres sends one notification per transaction, and only from
-- statements that made a job claimable: committing a notification takes a lock of the cluster.
create function kiln_notify_jobs() returns trigger language plpgsql as $$
begin
  if exists (select from new_jobs where status = 'pending' and ready) then
    perform pg_notify('kiln_jobs', '');
  end if;
  return null;
end
$$;

create trigger kiln_analysis_jobs_notify_insert after insert on analysis_jobs
  referencing new table as new_jobs
  for each statement execute function kiln_notify_jobs();

-- The first final state stands. The lease holder may still add log lines, time and memory.
create function kiln_keep_outcome() returns trigger language plpgsql as $$
begin
  if new.status is distinct from old.status
    or new.result is distinct from old.result
    or new.error_code is distinct from old.error_code
    or new.error_message is distinct from old.error_message
    or new.completed_at is distinct from old.completed_at then
    raise exception 'job % is % and stays so', old.id, old.status
      using hint = 'make a new job of it: kiln job retry ' || old.id,
        errcode = 'restrict_violation';
  end if;
  return new;
end
$$;

create trigger kiln_analysis_jobs_1_final before update on analysis_jobs
  for each row when (old.status in ('completed', 'failed', 'cancelled'))
  execute function kiln_keep_outcome();

-- A cancel is a change of status, whoever makes it. The lease token stays, so that the executor
-- that ran the script can add what it knows.
create function kiln_cancel_job() returns trigger language plpgsql as $$
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

create trigger kiln_analysis_jobs_2_cancel before update on analysis_jobs
  for each row when (new.status = 'cancelled' and old.status <> 'cancelled')
  execute function kiln_cancel_job();

-- Counted at the commit: the row of the counter is shared, and held for longer it would make every
-- other cancel wait, and two that cancel in different order wait for each other.
create function kiln_count_cancelled() returns trigger language plpgsql as $$
begin
  insert into analysis_counters (name, value) values ('jobs_cancelled', 1)
  on conflict (executor_id, name) do update set value = analysis_counters.value + 1;
  return null;
end
$$;

create constraint trigger kiln_analysis_jobs_3_count after update on analysis_jobs
  deferrable initially deferred
  for each row when (new.status = 'cancelled' and old.status <> 'cancelled')
  execute function kiln_count_cancelled();

-- A job row typed by hand gets what is missing, so that a claim never meets a hole.
create function kiln_complete_new_job() returns trigger language plpgsql as $$
begin
  new.parameters := coalesce(new.parameters, '{}');
  new.triggered_by := coalesce(new.triggered_by, 'manual');
  return new;
end
$$;

create trigger kiln_analysis_jobs_0_complete before insert on analysis_jobs
  for each row execute function kiln_complete_new_job();

-- migrate:down
drop table analysis_counters;
drop table analysis_job_logs;
drop table analysis_job_attempts;
drop table analysis_jobs;
drop table analysis_executors;
drop function kiln_notify_jobs, kiln_keep_outcome, kiln_cancel_job, kiln_count_cancelled,
  kiln_complete_new_job;
