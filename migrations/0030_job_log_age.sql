-- Cleanup finds old log lines by their time, without reading the young ones. Lines are appended in
-- the order of their time, so that the index grows at one end only.

-- migrate:up
create index kiln_analysis_job_logs_logged on analysis_job_logs (logged_at);

-- migrate:down
drop index kiln_analysis_job_logs_logged;
