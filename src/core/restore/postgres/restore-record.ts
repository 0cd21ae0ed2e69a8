import { hostname } from 'node:os'
import type { Operator } from '../../context.ts'
import type { ExtraColumn } from './extra-columns.ts'
import { type RestoreSession, quoted } from './session.ts'

export type RestoreState = 'staging' | 'staged' | 'done' | 'rolled_back'
export type RestoreMethod = 'exchange' | 'in_place'

/** A restore as its row in the database tells; the row outlives the process. */
export interface RestoreRecord {
  readonly id: string
  readonly source: string
  readonly state: RestoreState
  readonly method: RestoreMethod
  readonly oldSchema: string | null
  readonly startedAt: string
  readonly finishedAt: string | null
  readonly details: Readonly<Record<string, unknown>>
}

const columns = `id, source, state, method, old_schema as "oldSchema", started_at as "startedAt",
  finished_at as "finishedAt", details`

export const stagingSchemaOf = (id: string): string => `kiln_new_${id}`
export const oldSchemaOf = (id: string): string => `kiln_old_${id}`

/** All restores of this database, the last first. */
export async function readRestores(session: RestoreSession): Promise<readonly RestoreRecord[]> {
  const { rows } = await session.query<RestoreRecord>(
    `select ${columns} from analysis_restores order by started_at desc, id desc`,
  )
  return rows
}

/** Part of the names of schemas: small letters, digits and `_`, and another for each restore. */
export async function newRestoreId(session: RestoreSession, stem: string): Promise<string> {
  const plain = stem
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, 48)
  const { rows } = await session.query<{ id: string }>(
    `select candidate as id
     from (
       select case n when 1 then $1 else $1 || '_' || n end as candidate, n
       from generate_series(1, 1000) n
     ) candidates
     where not exists (select from analysis_restores where id = candidate)
       and not exists (
         select from pg_namespace where nspname in ('kiln_old_' || candidate, 'kiln_new_' || candidate)
       )
     order by n
     limit 1`,
    [plain],
  )
  return rows[0]?.id ?? plain
}

export async function beginRecord(
  session: RestoreSession,
  record: Pick<RestoreRecord, 'id' | 'source' | 'method' | 'details'>,
): Promise<void> {
  await session.query(
    `insert into analysis_restores (id, source, state, method, details)
     values ($1, $2, 'staging', $3, $4)
     on conflict (id) do update set state = 'staging', method = excluded.method, started_at = now()`,
    [record.id, record.source, record.method, JSON.stringify(record.details)],
  )
}

/** Within the transaction that makes it true. */
export async function setState(
  session: RestoreSession,
  id: string,
  state: RestoreState,
  oldSchema: string | null = null,
): Promise<void> {
  await session.query(
    `update analysis_restores
     set state = $2, old_schema = $3,
       finished_at = case when $2 in ('done', 'rolled_back') then now() end
     where id = $1`,
    [id, state, oldSchema],
  )
}

/** So that taking it back does not mistake them for a change of the schema. */
export async function noteAddedColumns(
  session: RestoreSession,
  id: string,
  columns: readonly ExtraColumn[],
): Promise<void> {
  const names = columns.map(({ table, name }) => `${table}.${name}`)
  await session.query(
    `update analysis_restores
     set details = details || jsonb_build_object('added_columns', $2::jsonb)
     where id = $1`,
    [id, JSON.stringify(names)],
  )
}

/** A row of the audit log, in the transaction of what it tells. */
export async function auditRestore(
  session: RestoreSession,
  operator: Operator,
  action: string,
  targetId: string,
  details: Readonly<Record<string, unknown>>,
): Promise<void> {
  await session.query(
    `insert into analysis_audit_log
       (actor, source, action, target_type, target_id, details, host, pid)
     values ($1, $2, $3, 'database', $4, $5, $6, $7)`,
    [
      operator.actor,
      operator.source,
      action,
      targetId,
      JSON.stringify(details),
      hostname(),
      process.pid,
    ],
  )
}

/**
 * Puts in order what killed restores have left: their tables were never live. Returns which they were.
 * The caller holds the lock of restores, so that none of them can still be at work.
 */
export async function abandonUnfinished(
  session: RestoreSession,
  except?: string,
): Promise<readonly string[]> {
  const unfinished = (await readRestores(session)).filter(
    ({ id, state }) => (state === 'staging' || state === 'staged') && id !== except,
  )
  for (const { id } of unfinished) await abandonRestore(session, id)
  return unfinished.map(({ id }) => id)
}

export async function abandonRestore(session: RestoreSession, id: string): Promise<void> {
  await session.watch.settled(session.client)
  // On a full disk there may be no room for the log of what would make room: then the next restore does
  // it. A checkpoint would make some, and ends a server that cannot write it (seen in a trial).
  await session.client.query(`drop schema if exists ${quoted(stagingSchemaOf(id))} cascade`)
  await session.client.query(
    `update analysis_restores
     set state = 'rolled_back', finished_at = now()
     where id = $1
       and state in ('staging', 'staged')`,
    [id],
  )
}
