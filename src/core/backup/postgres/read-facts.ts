import type { BackedUpPostgres } from '../manifest.ts'
import { ownTables } from '../own-tables.ts'
import type { Snapshot } from './open-snapshot.ts'

/** What the snapshot has of files outside of the database. */
export interface ResultRow {
  readonly jobId: string
  readonly storagePath: string
  readonly checksum: string
  readonly dataFolderId: string | null
}

type ServerFacts = Pick<
  BackedUpPostgres,
  'serverVersion' | 'serverVersionNumber' | 'database' | 'encoding' | 'migrations'
>

export interface SnapshotFacts extends ServerFacts {
  /** What the tables take, indexes left out: about what their rows are as text. */
  readonly tableBytes: number
}

export async function readFacts({ readers: [first], schema }: Snapshot): Promise<SnapshotFacts> {
  const [server] = await first.ask<Omit<SnapshotFacts, 'migrations'>>(
    `select
       current_setting('server_version') as "serverVersion",
       current_setting('server_version_num')::integer as "serverVersionNumber",
       current_database() as database,
       pg_encoding_to_char(encoding) as encoding,
       (
         select coalesce(sum(pg_table_size(c.oid)), 0)::bigint
         from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         where quote_ident(n.nspname) = $1
           and c.relkind = 'r'
           -- To ask for the size of another's table is to wait for whoever has locked it.
           and c.relname = any ($2)
       ) as "tableBytes"
     from pg_database
     where datname = current_database()`,
    [schema, ownTables()],
  )
  if (!server) throw new Error('the database is not in pg_database')
  const migrations = await first.ask<{ version: string; checksum: string }>(
    `select version, checksum from ${schema}.kiln_migrations order by length(version), version`,
  )
  return { ...server, migrations: [...migrations] }
}

/** Only some roles may ask; null for others. */
export async function readSystemIdentifier({ readers: [first] }: Snapshot): Promise<string | null> {
  const [allowed] = await first.ask<{ may: boolean }>(
    `select has_function_privilege('pg_control_system()', 'execute') as may`,
  )
  if (!allowed?.may) return null
  const [row] = await first.ask<{ id: string }>(
    'select system_identifier::text as id from pg_control_system()',
  )
  return row?.id ?? null
}

export async function readResultRows({
  readers: [first],
  schema,
}: Snapshot): Promise<readonly ResultRow[]> {
  return first.ask(
    `select job_id as "jobId", storage_path as "storagePath", checksum,
       data_folder_id as "dataFolderId"
     from ${schema}.analysis_result_storage
     order by storage_path, job_id`,
  )
}

/** True when a datasource has a secret that only the key of a data folder opens. */
export async function hasStoredSecrets({ readers: [first], schema }: Snapshot): Promise<boolean> {
  const [row] = await first.ask<{ found: boolean }>(
    `select exists (
       select from ${schema}.analysis_datasources where encrypted_secret is not null
     ) as found`,
  )
  return row?.found ?? false
}
