-- What a backup set is, for metrics, health checks and people who ask with SQL.

-- migrate:up
alter table analysis_backups
  add column profile text,
  -- Of 'postgres', 'duckdb', 'config'.
  add column parts text[] not null default '{}',
  add column is_encrypted boolean,
  add column rows_total bigint,
  -- What the set's bytes were before they were compressed.
  add column plain_bytes bigint,
  -- Of the verification at verified_at; null before one.
  add column verified_ok boolean;

create index kiln_analysis_backups_finished on analysis_backups (finished_at);

-- migrate:down
drop index kiln_analysis_backups_finished;
alter table analysis_backups
  drop column profile,
  drop column parts,
  drop column is_encrypted,
  drop column rows_total,
  drop column plain_bytes,
  drop column verified_ok;
