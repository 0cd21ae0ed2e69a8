-- Counting the jobs that wait for a limit or a slot, as every scrape of the metrics does, without
-- reading the finished ones.

-- migrate:up
create index kiln_analysis_jobs_waiting on analysis_jobs (run_at)
  where status = 'pending' and not ready;

-- migrate:down
drop index kiln_analysis_jobs_waiting;
