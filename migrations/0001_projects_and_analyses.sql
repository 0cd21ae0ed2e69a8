-- Projects, analyses and their versions. The names of these tables and their first columns are
-- fixed: operators' own SQL uses them.

-- migrate:up
create table projects (
  id text primary key check (id <> '' and length(id) <= 255),
  name text,
  -- The data folder that holds the project's DuckDB file; null until a job first opens it.
  home_folder text,
  created_at timestamptz not null default now()
);

create table analyses (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  script_content text not null,
  project_id text not null default 'default' references projects (id),
  version integer not null default 1 check (version >= 1),
  is_active boolean not null default true,
  metadata jsonb not null default '{}',
  created_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  name text not null check (name ~ '^[a-z0-9][a-z0-9_.-]{0,127}$'),
  constraint kiln_analyses_project_name unique (project_id, name)
);

create table analysis_versions (
  id uuid primary key default gen_random_uuid(),
  analysis_id uuid not null references analyses (id) on delete cascade,
  version_number integer not null check (version_number >= 1),
  script_content text not null,
  change_description text,
  created_by text,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  -- What the script declares, read once by running its top level in a sandbox. Both null: not
  -- read yet, as after an insert by SQL; the first claim reads it.
  definition jsonb,
  definition_error text,
  unique (analysis_id, version_number)
);

-- A project appears by itself when something names it.
create function kiln_ensure_project() returns trigger language plpgsql as $$
begin
  insert into projects (id, name) values (new.project_id, new.project_id) on conflict do nothing;
  return new;
end
$$;

-- A name made from the title: lower case, dashes, and -2, -3 ... when taken. The lock makes two
-- inserts of one title wait for each other instead of failing.
create function kiln_name_analysis() returns trigger language plpgsql as $$
declare
  stem text;
  candidate text;
  suffix integer := 1;
begin
  if new.name is not null then
    return new;
  end if;
  stem := trim(both '-' from regexp_replace(lower(new.title), '[^a-z0-9]+', '-', 'g'));
  stem := trim(both '-' from left(stem, 100));
  if stem = '' then
    stem := 'analysis';
  end if;
  perform pg_advisory_xact_lock(hashtext('kiln_name_analysis'), hashtext(new.project_id));
  candidate := stem;
  while exists (select from analyses where project_id = new.project_id and name = candidate) loop
    suffix := suffix + 1;
    candidate := stem || '-' || suffix;
  end loop;
  new.name := candidate;
  return new;
end
$$;

-- Every change of the script is a version, one above the highest, also when made by psql. The row
-- lock of the update serialises two changes of one analysis.
create function kiln_number_version() returns trigger language plpgsql as $$
begin
  if new.script_content is distinct from old.script_content then
    select coalesce(max(version_number), 0) + 1
      into new.version
      from analysis_versions
      where analysis_id = new.id;
  else
    -- The number follows the script; it is not a field to edit.
    new.version := old.version;
  end if;
  new.updated_at := now();
  return new;
end
$$;

create function kiln_keep_version() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or new.script_content is distinct from old.script_content then
    insert into analysis_versions (analysis_id, version_number, script_content, created_by, metadata)
    values (new.id, new.version, new.script_content, new.created_by, new.metadata);
  end if;
  return null;
end
$$;

create function kiln_freeze_version() returns trigger language plpgsql as $$
begin
  if new.script_content is distinct from old.script_content
    or new.version_number is distinct from old.version_number
    or new.analysis_id is distinct from old.analysis_id then
    raise exception 'a version of an analysis never changes'
      using hint = 'update analyses.script_content: that makes a new version',
        errcode = 'restrict_violation';
  end if;
  return new;
end
$$;

create trigger kiln_analyses_1_project before insert or update of project_id on analyses
  for each row execute function kiln_ensure_project();
create trigger kiln_analyses_2_name before insert on analyses
  for each row execute function kiln_name_analysis();
create trigger kiln_analyses_3_number before update on analyses
  for each row execute function kiln_number_version();
create trigger kiln_analyses_4_keep after insert or update on analyses
  for each row execute function kiln_keep_version();
create trigger kiln_analysis_versions_freeze before update on analysis_versions
  for each row execute function kiln_freeze_version();

-- migrate:down
drop table analysis_versions;
drop table analyses;
drop table projects;
drop function kiln_ensure_project, kiln_name_analysis, kiln_number_version, kiln_keep_version,
  kiln_freeze_version;
