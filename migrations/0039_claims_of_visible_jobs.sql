-- A claim sees jobs as they were when its statement began; the function that walks the queue, called a
-- moment later, sees newer ones. Of a job that had become ready in between it deleted the entry, and
-- the claim then did not find the row: the job stood still until a look over the whole table found it.

-- migrate:up

drop function kiln_take_due_jobs(integer, text);

-- Locks the first due jobs that nobody else has locked, and tells their rows and their entries, which
-- the caller deletes of those jobs that it changes. Entries and jobs are walked together, so that no
-- more are locked than are taken. Any plan but this walk would sort the whole queue.
create function kiln_take_due_jobs(most integer, home text)
returns table (job_id uuid, place tid, entry tid)
language plpgsql set enable_seqscan = off set enable_sort = off as $$
#variable_conflict use_column
begin
  return query
  select queue.job_id, job.place, queue.entry
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
  limit most;
end
$$;

-- migrate:down

drop function kiln_take_due_jobs(integer, text);

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
