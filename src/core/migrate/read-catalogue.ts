import type { ClientBase } from 'pg'

/**
 * Objects of a schema by name, such as `column analysis_jobs.status`, and what counts of each:
 * type and default of a column, validity of an index, state of a trigger, hash of a function's body.
 */
export type Catalogue = Readonly<Record<string, string>>

/**
 * Reads the schema that holds the ledger. Only what is the same on every supported version of
 * Postgres: the text of index and constraint definitions is not.
 */
export async function readCatalogue(client: ClientBase): Promise<Catalogue> {
  const { rows } = await client.query<{ object: string; state: string }>(`
    with own_tables as (
      select oid, relname, relnamespace, relkind
      from pg_class
      where relnamespace = (select relnamespace from pg_class where oid = to_regclass('kiln_migrations'))
        and relkind in ('r', 'p', 'v')
        and relname <> 'kiln_migrations'
    )
    select case relkind when 'v' then 'view ' else 'table ' end || relname as object, 'present' as state
    from own_tables
    union all
    select
      'column ' || t.relname || '.' || a.attname,
      format_type(a.atttypid, a.atttypmod)
        || case when a.attnotnull then ' not null' else '' end
        || case when a.attidentity <> '' then ' identity' else '' end
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    from own_tables t
    join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    union all
    select
      'index ' || t.relname || '.' || c.relname,
      case when i.indisvalid then 'valid' else 'invalid' end
    from own_tables t
    join pg_index i on i.indrelid = t.oid
    join pg_class c on c.oid = i.indexrelid
    -- The index of a constraint is named by the constraint.
    where not exists (select from pg_constraint where conindid = i.indexrelid and conrelid = t.oid)
    union all
    select
      'constraint ' || t.relname || '.' || con.conname,
      case when con.convalidated then 'valid' else 'not validated' end
    from own_tables t
    join pg_constraint con on con.conrelid = t.oid
    -- Newer versions of Postgres also list "not null", which the column tells already.
    where con.contype <> 'n'
    union all
    select
      'trigger ' || t.relname || '.' || tg.tgname,
      case when tg.tgenabled = 'D' then 'disabled' else 'enabled' end
    from own_tables t
    join pg_trigger tg on tg.tgrelid = t.oid
    where not tg.tgisinternal
    union all
    select 'function ' || p.proname, md5(replace(p.prosrc, e'\\r', ''))
    from pg_proc p
    where p.pronamespace = (select relnamespace from pg_class where oid = to_regclass('kiln_migrations'))
      and p.proname like 'kiln\\_%'`)
  // Sorted here: the order of the server depends on the collation of its database.
  const objects = rows.toSorted((a, b) => (a.object < b.object ? -1 : 1))
  return Object.fromEntries(objects.map(({ object, state }) => [object, state]))
}
