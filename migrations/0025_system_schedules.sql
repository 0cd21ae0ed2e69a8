-- Tasks of Kiln itself on cron rules, and what they leave behind: schedules without an analysis, the
-- runs of their tasks, and the daily figures that one of them takes.

-- migrate:up
alter table analysis_schedules
  alter column analysis_id drop not null,
  drop constraint analysis_schedules_origin_check,
  add constraint analysis_schedules_origin_check check (origin in ('operator', 'script', 'system')),
  add constraint kiln_analysis_schedules_target check ((analysis_id is null) = (origin = 'system'));

-- What a system schedule runs.
create table analysis_tasks (
  schedule_id uuid primary key references analysis_schedules (id) on delete cascade,
  task text not null,
  -- Whose files it works on; empty for work on rows, which one instance does for all.
  data_folder_id text not null default '',
  -- When a service that takes part in it last said so: without one nobody fires it.
  attended_at timestamptz,
  last_success_at timestamptz,
  last_duration_ms bigint,
  -- Totals for metrics, which outlive the rows of the runs.
  completed_runs bigint not null default 0,
  failed_runs bigint not null default 0,
  unique (task, data_folder_id)
);

create table analysis_task_runs (
  id uuid primary key default gen_random_uuid(),
  schedule_id uuid not null references analysis_tasks (schedule_id) on delete cascade,
  -- Null: an operator asked for it.
  scheduled_for timestamptz,
  status text not null default 'pending'
    check (status in ('pending', 'running', 'completed', 'failed')),
  attempt integer not null default 0,
  -- Not before this instant, after a failure that may pass.
  run_after timestamptz not null default now(),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  -- Where it runs or ran: host and process id.
  runner text,
  error_code text,
  error_message text,
  details jsonb not null default '{}'
);

create index kiln_analysis_task_runs_schedule on analysis_task_runs (schedule_id, created_at desc);
-- One at a time of each, whatever else goes wrong.
create unique index kiln_analysis_task_runs_active on analysis_task_runs (schedule_id)
  where status in ('pending', 'running');

-- Figures of the jobs of one analysis created on one day, UTC. They outlive the jobs.
create table analysis_job_statistics (
  day date not null,
  analysis_id uuid not null references analyses (id) on delete cascade,
  jobs integer not null,
  completed integer not null,
  failed integer not null,
  cancelled integer not null,
  duration_p50_ms bigint,
  duration_p95_ms bigint,
  wait_p50_ms bigint,
  wait_p95_ms bigint,
  updated_at timestamptz not null default now(),
  primary key (day, analysis_id)
);

create index kiln_analysis_job_statistics_analysis on analysis_job_statistics (analysis_id, day);

-- migrate:down
drop table analysis_job_statistics;
drop table analysis_task_runs;
drop table analysis_tasks;
delete from analysis_schedules where analysis_id is null;
alter table analysis_schedules
  drop constraint kiln_analysis_schedules_target,
  drop constraint analysis_schedules_origin_check,
  add constraint analysis_schedules_origin_check check (origin in ('operator', 'script')),
  alter column analysis_id set not null;
