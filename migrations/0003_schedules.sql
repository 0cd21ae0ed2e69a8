-- Schedules of analyses, and what became of each instant they name.

-- migrate:up
create table analysis_schedules (
  id uuid primary key default gen_random_uuid(),
  analysis_id uuid not null references analyses (id) on delete cascade,
  cron_expression text not null,
  timezone text not null default 'UTC',
  enabled boolean not null default true,
  last_run_at timestamptz,
  next_run_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  parameters jsonb not null default '{}',
  missed_policy text not null default 'once' check (missed_policy in ('once', 'skip', 'all')),
  overlap_policy text not null default 'skip'
    check (overlap_policy in ('skip', 'queue', 'allow', 'cancel-other')),
  catch_up_window_ms bigint not null default 86400000 check (catch_up_window_ms >= 0),
  jitter_ms bigint not null default 0 check (jitter_ms >= 0),
  pause_after_failures integer check (pause_after_failures >= 1),
  pause_reason text,
  last_decision text,
  last_decision_at timestamptz,
  rule_error text
);

create index kiln_analysis_schedules_due on analysis_schedules (next_run_at) where enabled;
create index kiln_analysis_schedules_analysis on analysis_schedules (analysis_id);

alter table analysis_jobs add constraint kiln_analysis_jobs_schedule
  foreign key (schedule_id) references analysis_schedules (id) on delete set null;

-- The key that makes an occurrence fire once. Not on the job, which cleanup deletes.
create table analysis_schedule_occurrences (
  schedule_id uuid not null references analysis_schedules (id) on delete cascade,
  scheduled_for timestamptz not null,
  decision text not null,
  reason text,
  missed_count integer not null default 0,
  job_id uuid references analysis_jobs (id) on delete set null,
  decided_at timestamptz not null default now(),
  primary key (schedule_id, scheduled_for)
);

create index kiln_analysis_schedule_occurrences_job on analysis_schedule_occurrences (job_id)
  where job_id is not null;

-- migrate:down
drop table analysis_schedule_occurrences;
alter table analysis_jobs drop constraint kiln_analysis_jobs_schedule;
drop table analysis_schedules;
