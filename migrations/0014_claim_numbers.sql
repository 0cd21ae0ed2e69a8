-- A heartbeat returns jobs of claims whose reply was lost. The server may get to a heartbeat, or to
-- a claim, long after its executor gave it up: by the number a heartbeat tells the claims that its
-- executor knew of from later ones.

-- migrate:up
-- Counted by each executor for itself; 0 for a job that somebody set to running by SQL.
alter table analysis_leases add column claim_number bigint not null default 0;

-- migrate:down
alter table analysis_leases drop column claim_number;
