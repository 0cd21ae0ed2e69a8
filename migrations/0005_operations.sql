-- What operators did, and the backups they have.

-- migrate:up
create table analysis_audit_log (
  id bigint generated always as identity primary key,
  occurred_at timestamptz not null default now(),
  actor text not null,
  action text not null,
  target_type text not null,
  target_id text not null,
  target_name text,
  before_hash text,
  after_hash text,
  details jsonb not null default '{}',
  source text not null check (source in ('cli', 'http', 'scheduler')),
  host text,
  pid integer,
  -- Filled when the row is sealed into the chain: a hash over the row and the hash before it.
  previous_hash text,
  hash text
);

create index kiln_analysis_audit_log_target on analysis_audit_log (target_type, target_id);

create table analysis_backups (
  id text primary key,
  repository text not null,
  kind text not null,
  label text,
  status text not null check (status in ('complete', 'partial')),
  size_bytes bigint,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  verified_at timestamptz,
  verified_level text check (verified_level in ('quick', 'full', 'drill')),
  manifest jsonb not null default '{}'
);

-- migrate:down
drop table analysis_backups;
drop table analysis_audit_log;
