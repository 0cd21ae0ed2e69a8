-- Occurrences and runs no longer refer to their schedule by a foreign key. Firing makes both while it
-- holds the lock of the schedule's row, so that checking the reference can find nothing, and costs a
-- sixth of all that firing costs the database. What the keys did otherwise, two triggers do.

-- migrate:up
alter table analysis_schedule_occurrences
  drop constraint analysis_schedule_occurrences_schedule_id_fkey;
alter table analysis_schedule_runs
  drop constraint analysis_schedule_runs_schedule_id_fkey;

create function kiln_delete_schedule() returns trigger language plpgsql as $$
begin
  delete from analysis_schedule_occurrences where schedule_id = old.id;
  delete from analysis_schedule_runs where schedule_id = old.id;
  return null;
end
$$;

create function kiln_truncate_schedules() returns trigger language plpgsql as $$
begin
  truncate analysis_schedule_occurrences, analysis_schedule_runs;
  return null;
end
$$;

create trigger kiln_analysis_schedules_4_delete after delete on analysis_schedules
  for each row execute function kiln_delete_schedule();
create trigger kiln_analysis_schedules_4_truncate after truncate on analysis_schedules
  for each statement execute function kiln_truncate_schedules();

-- migrate:down
drop trigger kiln_analysis_schedules_4_delete on analysis_schedules;
drop trigger kiln_analysis_schedules_4_truncate on analysis_schedules;
drop function kiln_delete_schedule, kiln_truncate_schedules;
delete from analysis_schedule_occurrences
where schedule_id not in (select id from analysis_schedules);
delete from analysis_schedule_runs
where schedule_id not in (select id from analysis_schedules);
alter table analysis_schedule_occurrences
  add constraint analysis_schedule_occurrences_schedule_id_fkey
  foreign key (schedule_id) references analysis_schedules (id) on delete cascade;
alter table analysis_schedule_runs
  add constraint analysis_schedule_runs_schedule_id_fkey
  foreign key (schedule_id) references analysis_schedules (id) on delete cascade;
