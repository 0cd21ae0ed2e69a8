-- What analyses read and leave: dependencies, datasources, stored results, metadata of scripts.

-- migrate:up
create table analysis_dependencies (
  id uuid primary key default gen_random_uuid(),
  analysis_id uuid not null references analyses (id) on delete cascade,
  dependency_type text not null,
  dependency_name text not null,
  dependency_id text,
  created_at timestamptz not null default now(),
  unique (analysis_id, dependency_type, dependency_name)
);

create table analysis_datasources (
  id uuid primary key default gen_random_uuid(),
  project_id text not null references projects (id),
  name text not null check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
  type text not null check (type in ('postgres', 'duckdb', 'file')),
  -- Where to find the data or the secret, never the secret itself.
  config jsonb not null default '{}',
  -- A connection URL, encrypted with the key file of a data folder; null when config refers to a
  -- variable or file.
  encrypted_secret bytea,
  key_id text,
  created_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint kiln_analysis_datasources_name unique (project_id, name)
);

create trigger kiln_analysis_datasources_project
  before insert or update of project_id on analysis_datasources
  for each row execute function kiln_ensure_project();

create table analysis_result_storage (
  id uuid primary key default gen_random_uuid(),
  job_id uuid not null references analysis_jobs (id) on delete cascade,
  storage_path text not null,
  size_bytes bigint not null,
  checksum text not null,
  created_at timestamptz not null default now(),
  content_type text not null default 'application/json',
  row_count bigint,
  -- Whose data folder holds the file; another machine cannot read it.
  data_folder_id uuid,
  unique (job_id)
);

create index kiln_analysis_result_storage_created on analysis_result_storage (created_at);

-- What a script keeps for its next job: ctx.metadata.
create table analysis_metadata (
  analysis_id uuid not null references analyses (id) on delete cascade,
  key text not null,
  value jsonb not null,
  updated_at timestamptz not null default now(),
  primary key (analysis_id, key)
);

-- migrate:down
drop table analysis_metadata;
drop table analysis_result_storage;
drop table analysis_datasources;
drop table analysis_dependencies;
