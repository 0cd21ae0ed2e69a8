-- Claims walk a narrow table of their own, so that no index of a job's row names what a claim
-- changes: Postgres then updates the row where it stands, without writing to any index. And the many
-- triggers of a changed row become one, whose condition no ordinary claim, end or progress meets.

-- migrate:up

-- An entry for each job that is pending and ready, in the order of claims. Kept by triggers, always by
-- whoever has locked the job's row: entries need no locks of their own, and nobody waits for one. They
-- are hints: a claim reads the job too, an entry without such a job is deleted in passing, and a job
-- without an entry (rows loaded without triggers) is found by a look that every service takes.
create table analysis_job_queue (
  priority integer not null,
  run_at timestamptz not null,
  job_id uuid not null,
  database_home text
);

create index kiln_analysis_job_queue_claim on analysis_job_queue (priority desc, run_at, job_id);

alter table analysis_job_queue set (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 5000
);

insert into analysis_job_queue (priority, run_at, job_id, database_home)
select priority, run_at, id, database_home
from analysis_jobs
where ready
  and status = 'pending';

-- Room on each page for all its rows as they are claimed: a claim of many takes neighbours, and a row
-- that must move to another page is written to every index.
alter table analysis_jobs set (fillfactor = 50);

drop index kiln_analysis_jobs_claim;
drop index kiln_analysis_jobs_waiting;
create index kiln_analysis_jobs_waiting on analysis_jobs (run_at) where waiting_reason is not null;

-- A plan that is kept from when the table was small must not read all of it.
create function kiln_leave_job_queue(left_priority integer, left_run_at timestamptz, left_id uuid)
returns void language plpgsql set enable_seqscan = off as $$
begin
  delete from analysis_job_queue
  where priority = left_priority
    and run_at = left_run_at
    and job_id = left_id;
end
$$;

-- Takes the entries of the first due jobs that nobody else has locked, and locks those jobs; returns
-- where their rows are. Entries and jobs are walked together, so that no more are locked than are
-- taken. Any plan but this walk would sort the whole queue.
create function kiln_take_due_jobs(most integer, home text) returns setof tid
language plpgsql set enable_seqscan = off set enable_sort = off as $$
begin
  return query
  with due as materialized (
    select queue.entry, job.place
    from (
      select ctid as entry, priority, run_at, job_id
      from analysis_job_queue
      where run_at <= now()
        and (database_home is null or database_home = home)
      order by priority desc, run_at, job_id
    ) queue
    cross join lateral (
      select ctid as place
      from analysis_jobs
      where id = queue.job_id
        and ready
        and run_at = queue.run_at
        and priority = queue.priority
        and status = 'pending'
        and (database_home is null or database_home = home)
      for update skip locked
    ) job
    limit most
  ),
  taken as (
    delete from analysis_job_queue
    where ctid = any (array(select entry from due))
  )
  select place
  from due;
end
$$;

drop trigger kiln_analysis_jobs_0_committing on analysis_jobs;
drop trigger kiln_analysis_jobs_1_final on analysis_jobs;
drop trigger kiln_analysis_jobs_2_cancel on analysis_jobs;
drop trigger kiln_analysis_jobs_3_leave_queue on analysis_jobs;
drop trigger kiln_analysis_jobs_4_hold on analysis_jobs;
drop trigger kiln_analysis_jobs_4_join_queue on analysis_jobs;
drop trigger kiln_analysis_jobs_4_postpone on analysis_jobs;
drop trigger kiln_analysis_jobs_5_wait_for_slot on analysis_jobs;
drop trigger kiln_analysis_jobs_6_leave_slot on analysis_jobs;
drop trigger kiln_analysis_jobs_7_lease on analysis_jobs;
drop trigger kiln_analysis_jobs_8_database on analysis_jobs;
drop function kiln_keep_committing, kiln_keep_outcome, kiln_cancel_job, kiln_leave_queue,
  kiln_join_queue, kiln_postpone_job, kiln_wait_for_slot, kiln_leave_slot, kiln_lease_job,
  kiln_need_database;

-- Before the one that follows: only a trigger of its own learns that a statement names `ready`, also
-- where it leaves it as it is. The queue's own changes of `ready` change `waits_for_slot` too.
create trigger kiln_analysis_jobs_1_hold before update of ready on analysis_jobs
  for each row when (
    not (old.ready and new.ready)
    and new.waits_for_slot = old.waits_for_slot
    and new.status = 'pending'
    and old.status = 'pending'
  )
  execute function kiln_hold_job();

-- What a change of a job's row brings with it, whoever makes it. Each step sees what those before it
-- have changed.
create function kiln_change_job() returns trigger language plpgsql as $$
declare
  was_queued boolean := old.status = 'pending' and old.ready;
  is_queued boolean;
  reason text;
begin
  -- Not even a cancel: it comes too late, and changes nothing. Whoever ends the doubt clears the mark
  -- in the same statement.
  if old.committing_at is not null
    and new.committing_at is not null
    and (
      new.status is distinct from old.status
      or new.lease_token is distinct from old.lease_token
      or new.holds_slot is distinct from old.holds_slot
    ) then
    return null;
  end if;

  -- The first final state stands. The lease holder may still add log lines, time and memory.
  if old.status in ('completed', 'failed', 'cancelled')
    and (
      new.status is distinct from old.status
      or new.result is distinct from old.result
      or new.error_code is distinct from old.error_code
      or new.error_message is distinct from old.error_message
      or new.completed_at is distinct from old.completed_at
    ) then
    raise exception 'job % is % and stays so', old.id, old.status
      using hint = 'make a new job of it: kiln job retry ' || old.id,
        errcode = 'restrict_violation';
  end if;

  -- A cancel is a change of status. The lease token stays, so that the executor that ran the script
  -- can add what it knows.
  if new.status = 'cancelled' and old.status <> 'cancelled' then
    new.completed_at := coalesce(new.completed_at, now());
    new.error_code := coalesce(new.error_code, 'cancelled');
    if old.started_at is not null then
      new.execution_time_ms := coalesce(
        new.execution_time_ms,
        greatest(0, extract(epoch from new.completed_at - old.started_at) * 1000)::bigint
      );
    end if;
    perform pg_notify('kiln_cancel', '');
  end if;

  -- Whoever ends or takes a job by SQL need not know of the queue's own columns.
  if new.status <> 'pending' and (new.ready or new.waiting_reason is not null) then
    new.ready := false;
    new.waiting_reason := null;
    -- Without token or executor it gets its lease below.
    if new.status = 'running' and new.lease_token is not null and new.executor_id is not null then
      insert into analysis_leases (token, executor_id, job_ids)
      values (
        new.lease_token,
        (select id from analysis_executors where id = new.executor_id),
        array[new.id]
      )
      on conflict (token) do update set job_ids = analysis_leases.job_ids || excluded.job_ids;
    end if;
  end if;

  -- Whoever makes a job pending again by SQL means that it shall run; whoever takes `ready` from a
  -- pending one means that it shall not.
  if new.status = 'pending' and not new.ready and new.waiting_reason is null then
    if old.status = 'pending' then
      new.waiting_reason := 'held';
    else
      new.ready := true;
    end if;
  end if;

  -- One that was admitted and is put off waits for its turn again, and not with a slot in its hand.
  if old.status = 'pending'
    and new.status = 'pending'
    and new.ready
    and new.holds_slot
    and new.run_at > now()
    and new.run_at is distinct from old.run_at then
    new.holds_slot := false;
    perform from analyses where id = new.analysis_id for key share;
    new.waiting_reason := kiln_limit_reason(new.analysis_id);
    new.waits_for_slot := new.waiting_reason is not null;
    new.ready := not new.waits_for_slot;
    perform pg_notify('kiln_slots', '');
  end if;

  -- Whatever makes a job ready again (a rescue, a retry, an operator) does so under the limits. The
  -- lock on the analysis keeps one from being set between this look and the commit.
  if new.status = 'pending'
    and not old.waits_for_slot
    and ((new.ready and not old.ready) or (new.holds_slot and old.status <> 'pending')) then
    new.holds_slot := false;
    perform from analyses where id = new.analysis_id for key share;
    reason := kiln_limit_reason(new.analysis_id);
    if new.ready and reason is not null then
      new.ready := false;
      new.waits_for_slot := true;
      new.waiting_reason := coalesce(new.waiting_reason, reason);
      perform pg_notify('kiln_slots', '');
    end if;
  end if;

  -- However a job stops waiting, or ends.
  if (new.waits_for_slot and (new.ready or new.status <> 'pending'))
    or (new.holds_slot and new.status not in ('pending', 'running')) then
    new.waits_for_slot := false;
    new.holds_slot := new.holds_slot and new.status in ('pending', 'running');
  end if;

  -- A job that is set to running, or given to another executor, by SQL has a lease of its own. A claim
  -- makes its own for all the jobs it takes, and names it in each.
  if new.status = 'running'
    and (
      (old.status <> 'running' and (new.lease_token is null or new.executor_id is null))
      or (
        old.status = 'running'
        and (
          new.lease_token is distinct from old.lease_token
          or new.executor_id is distinct from old.executor_id
        )
      )
    ) then
    insert into analysis_leases (token, executor_id, job_ids)
    values (
      gen_random_uuid(),
      (select id from analysis_executors where id = new.executor_id),
      array[new.id]
    );
  end if;

  -- A job that begins to wait waits for what its analysis needs now, or what an older version of it
  -- was found to need: write is the greater.
  if new.waits_for_slot and not old.waits_for_slot then
    new.database_use := greatest(
      (select database_use from analyses where id = new.analysis_id),
      new.database_use
    );
  end if;

  is_queued := new.status = 'pending' and new.ready;
  if was_queued and is_queued
    and (old.priority, old.run_at, old.id, old.database_home)
      is not distinct from (new.priority, new.run_at, new.id, new.database_home) then
    return new;
  end if;
  if was_queued then
    perform kiln_leave_job_queue(old.priority, old.run_at, old.id);
  end if;
  -- A new one, and not what may have been left behind: that may be deleted at this moment.
  if is_queued then
    insert into analysis_job_queue (priority, run_at, job_id, database_home)
    values (new.priority, new.run_at, new.id, new.database_home);
  end if;
  return new;
end
$$;

-- Postgres looks at the condition for each row that it writes: the cheap parts first. A claim sets
-- `ready`, `waiting_reason`, token and executor itself, the end of a job `holds_slot`.
create trigger kiln_analysis_jobs_2_change before update on analysis_jobs
  for each row when (
    new.ready
    or new.waiting_reason is not null
    or new.waits_for_slot
    or old.committing_at is not null
    or (new.holds_slot and new.status <> 'running')
    or (
      new.status = 'running'
      and (
        new.lease_token is null
        or new.executor_id is null
        or (
          old.status = 'running'
          and (
            new.lease_token is distinct from old.lease_token
            or new.executor_id is distinct from old.executor_id
          )
        )
      )
    )
    or new.status in ('pending', 'cancelled')
    or old.status not in ('pending', 'running')
  )
  execute function kiln_change_job();

create function kiln_delete_job() returns trigger language plpgsql as $$
begin
  perform kiln_leave_job_queue(old.priority, old.run_at, old.id);
  return null;
end
$$;

create trigger kiln_analysis_jobs_7_delete after delete on analysis_jobs
  for each row when (old.ready)
  execute function kiln_delete_job();

create function kiln_empty_job_queue() returns trigger language plpgsql as $$
begin
  -- Not truncated: that would wait for a claim that waits for this.
  delete from analysis_job_queue;
  return null;
end
$$;

create trigger kiln_analysis_jobs_8_truncate after truncate on analysis_jobs
  for each statement execute function kiln_empty_job_queue();

-- Once a statement, after the references to the analyses are checked: they keep a limit from being
-- set between this look and the commit. Its parts are plans that a connection keeps: this stands
-- between an insert and the start of its job.
create or replace function kiln_notify_jobs() returns trigger language plpgsql as $$
declare
  asked uuid[];
  is_any_running boolean;
  reasons jsonb;
begin
  select array_agg(distinct analysis_id) filter (where ready), bool_or(status = 'running')
    into asked, is_any_running
    from new_jobs;
  if is_any_running then
    insert into analysis_leases (token, executor_id, job_ids)
    select coalesce(job.lease_token, gen_random_uuid()), executor.id, array_agg(job.id)
    from new_jobs job
    left join analysis_executors executor on executor.id = job.executor_id
    where job.status = 'running'
    group by job.lease_token, executor.id
    on conflict (token) do update set job_ids = analysis_leases.job_ids || excluded.job_ids;
  end if;
  if asked is null then
    return null;
  end if;
  if exists (
    select
    from analyses analysis
    join projects project on project.id = analysis.project_id
    where analysis.id = any (asked)
      and (
        analysis.max_concurrent is not null
        or project.max_concurrent is not null
        or analysis.database_use is not null
      )
  ) then
    reasons := kiln_limit_reasons(asked);
    perform kiln_hold_back(
      array(select id from new_jobs where ready and reasons ? analysis_id::text),
      reasons
    );
    -- A channel of its own, so that nobody looks for slots because of a job that needs none.
    perform pg_notify('kiln_slots', '');
  end if;
  if reasons is null or not reasons ?& asked::text[] then
    insert into analysis_job_queue (priority, run_at, job_id, database_home)
    select priority, run_at, id, database_home
    from new_jobs
    where ready
      and (reasons is null or not reasons ? analysis_id::text);
    perform pg_notify('kiln_jobs', '');
  end if;
  return null;
end
$$;

-- Puts the pending jobs of analyses under the limits as they are now. Jobs whose limit was taken
-- away stay where they are: admissions let them go, some hundred at a time.
create or replace function kiln_apply_limits(changed uuid[]) returns void
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
      select job.id
      from analysis_job_queue queue
      join analysis_jobs job on job.id = queue.job_id
      where job.ready
        and reasons ? job.analysis_id::text
      order by job.id
      for update of job
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

-- migrate:down
drop trigger kiln_analysis_jobs_8_truncate on analysis_jobs;
drop trigger kiln_analysis_jobs_7_delete on analysis_jobs;
drop trigger kiln_analysis_jobs_2_change on analysis_jobs;
drop trigger kiln_analysis_jobs_1_hold on analysis_jobs;
drop function kiln_empty_job_queue, kiln_delete_job, kiln_change_job, kiln_take_due_jobs,
  kiln_leave_job_queue;

alter table analysis_jobs set (fillfactor = 70);
drop index kiln_analysis_jobs_waiting;
create index kiln_analysis_jobs_waiting on analysis_jobs (run_at)
  where not ready and waiting_reason is not null;
create index kiln_analysis_jobs_claim on analysis_jobs (priority desc, run_at, id) where ready;
drop table analysis_job_queue;

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

create function kiln_cancel_job() returns trigger language plpgsql as $$
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

create trigger kiln_analysis_jobs_2_cancel before update on analysis_jobs
  for each row when (new.status = 'cancelled' and old.status <> 'cancelled')
  execute function kiln_cancel_job();

create function kiln_leave_queue() returns trigger language plpgsql as $$
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

create trigger kiln_analysis_jobs_3_leave_queue before update on analysis_jobs
  for each row when (new.status <> 'pending' and (new.ready or new.waiting_reason is not null))
  execute function kiln_leave_queue();

create trigger kiln_analysis_jobs_4_hold before update of ready on analysis_jobs
  for each row when (
    old.status = 'pending'
    and new.status = 'pending'
    and not (old.ready and new.ready)
    and new.waits_for_slot = old.waits_for_slot
  )
  execute function kiln_hold_job();

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

create or replace function kiln_apply_limits(changed uuid[]) returns void
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
