-- Ids of new jobs grow with time (UUID version 7, RFC 9562), so that jobs of one time lie together in
-- the table and in its indexes: a claim of many touches a few pages, and the rows of a long history
-- stay out of its way. Whoever names an id of another kind may.

-- migrate:up

create function kiln_new_job_id() returns uuid language sql volatile parallel safe as $$
  select encode(
    set_byte(
      overlay(
        uuid_send(gen_random_uuid())
        placing substring(int8send((date_part('epoch', clock_timestamp()) * 1000)::bigint) from 3)
        from 1 for 6
      ),
      6,
      (get_byte(uuid_send(gen_random_uuid()), 6) & 15) | 112
    ),
    'hex'
  )::uuid
$$;

alter table analysis_jobs alter column id set default kiln_new_job_id();

-- Its one possible plan was made anew for each claim: half of what a claim of one job cost.
alter function kiln_take_due_jobs(integer, text) set plan_cache_mode = force_generic_plan;

-- migrate:down

alter function kiln_take_due_jobs(integer, text) reset plan_cache_mode;

alter table analysis_jobs alter column id set default gen_random_uuid();

drop function kiln_new_job_id();
