-- What still let a job stand still: a slot that went with a deleted row, and a mark of a commit on a
-- row that commits nothing.

-- migrate:up

-- Who deletes a job that was admitted or runs frees its slot; nobody else would say so before the
-- next heartbeat.
create function kiln_free_deleted_slot() returns trigger language plpgsql as $$
begin
  perform pg_notify('kiln_slots', '');
  return null;
end
$$;

create trigger kiln_analysis_jobs_9_deleted after delete on analysis_jobs
  for each row when (old.holds_slot)
  execute function kiln_free_deleted_slot();

-- Only what runs under a lease can commit. On any other row the mark would keep everybody from
-- changing it for ever, and a due job that cannot be claimed from being passed by those behind it.
-- The triggers obey the mark, so they step aside for its repair.
alter table analysis_jobs disable trigger user;
update analysis_jobs
set committing_at = null
where committing_at is not null
  and (status <> 'running' or lease_token is null or not kiln_is_instant(committing_at));
alter table analysis_jobs enable trigger user;

alter table analysis_jobs
  add constraint kiln_analysis_jobs_committing check (
    committing_at is null
    or (status = 'running' and lease_token is not null and kiln_is_instant(committing_at))
  );

-- migrate:down
alter table analysis_jobs drop constraint kiln_analysis_jobs_committing;
drop trigger kiln_analysis_jobs_9_deleted on analysis_jobs;
drop function kiln_free_deleted_slot;
