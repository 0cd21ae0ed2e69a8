-- The chain of the audit log: its rows are sealed in the order of their ids, each with a hash over
-- itself and the hash before it. The head tells where the chain ends, so that rows that are cut off its
-- end are missed.

-- migrate:up
create table analysis_audit_head (
  -- One row.
  id boolean primary key default true check (id),
  last_id bigint not null,
  last_hash text not null,
  sealed_count bigint not null,
  sealed_at timestamptz not null default now()
);

create index kiln_analysis_audit_log_unsealed on analysis_audit_log (id) where hash is null;

-- migrate:down
drop index kiln_analysis_audit_log_unsealed;
drop table analysis_audit_head;
