-- Two things that a claim and an end of many jobs paid for without need.

-- migrate:up

-- A row grows by a third when it is claimed, and once more when its job ends. In what half a page left
-- free, one change of six found no room: the row moved to another page, and was written to every
-- index. So much takes the claims and the ends of all rows of a page. Pages written before stay as
-- they are.
alter table analysis_jobs set (fillfactor = 36);

-- The ids of a claim's jobs are as good as random: Postgres compressed them all the same, once they
-- came to two kilobytes, and looked whether that had helped.
alter table analysis_leases set (toast_tuple_target = 8160);

-- migrate:down

alter table analysis_leases reset (toast_tuple_target);

alter table analysis_jobs set (fillfactor = 50);
