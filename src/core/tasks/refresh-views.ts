import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { type Queries, cancelUntilEnded, databaseError } from '../database/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'

export interface RefreshedViews {
  /** Names, in the order in which they were refreshed. */
  readonly refreshed: readonly string[]
  /** Of these, those that could be read meanwhile. */
  readonly concurrently: readonly string[]
  /** Left out: another role owns them, and only it may refresh them. */
  readonly skipped: readonly string[]
}

interface MaterializedView {
  readonly name: string
  /** With schema, quoted. */
  readonly quotedName: string
  readonly isOurs: boolean
  /** It has been filled, and a unique index over all of its rows tells them apart. */
  readonly canBeConcurrent: boolean
}

/** Others queue behind whoever waits for this lock: not longer than they can bear. */
const lockTimeoutMs = 5000

/**
 * Refreshes the materialised views that operators keep in the schema of Kiln's tables, those that
 * others read first; concurrently where Postgres can. One that fails stops no other.
 *
 * @throws KilnError PARTIAL, naming each that failed and why.
 */
export async function refreshViews(
  context: Pick<Context, 'database' | 'signal' | 'log'>,
): Promise<RefreshedViews> {
  const { database, signal, log } = context
  const found = await findViews(database.queries)
  const views = found.filter(({ isOurs }) => isOurs)
  const failures: { name: string; error: string }[] = []
  const refreshed: MaterializedView[] = []
  for (const view of views) {
    signal.throwIfAborted()
    try {
      await refresh(context, view)
      refreshed.push(view)
      log.debug({ view: view.name }, 'materialised view refreshed')
    } catch (error) {
      signal.throwIfAborted()
      const failure = databaseError(error, database.target.label)
      // Without a server the rest would fail alike.
      if (failure.isRetryable && failure.code !== 'LOCK_TIMEOUT') throw failure
      failures.push({ name: view.name, error: messageOf(error) })
    }
  }
  if (failures.length > 0) {
    const text = failures.map(({ name, error }) => `${name}: ${error}`).join('; ')
    throw new KilnError(
      'PARTIAL',
      `${failures.length} of ${views.length} materialised views were not refreshed: ${text}`,
      { hint: 'refresh them by hand to see more', details: { failures } },
    )
  }
  return {
    refreshed: refreshed.map(({ name }) => name),
    concurrently: refreshed
      .filter(({ canBeConcurrent }) => canBeConcurrent)
      .map(({ name }) => name),
    skipped: found.filter(({ isOurs }) => !isOurs).map(({ name }) => name),
  }
}

/** Materialised views of the current schema, each after those that it reads. */
async function findViews(queries: Queries): Promise<readonly MaterializedView[]> {
  const { rows } = await sql<MaterializedView>`
    with recursive reads as (
      select distinct rule.ev_class as reader, source.oid as source
      from pg_rewrite rule
      join pg_depend dependency
        on dependency.classid = 'pg_rewrite'::regclass
        and dependency.objid = rule.oid
        and dependency.refclassid = 'pg_class'::regclass
      join pg_class source on source.oid = dependency.refobjid
      where source.relkind in ('m', 'v')
        and source.oid <> rule.ev_class
    ),
    depth (oid, steps) as (
      select oid, 0
      from pg_class
      where relkind = 'm'
      union
      select reads.reader, depth.steps + 1
      from depth
      join reads on reads.source = depth.oid
    )
    select view.relname as name,
      quote_ident(namespace.nspname) || '.' || quote_ident(view.relname) as quoted_name,
      pg_has_role(view.relowner, 'usage') as is_ours,
      view.relispopulated and exists (
        select
        from pg_index
        where indrelid = view.oid
          and indisunique
          and indisvalid
          and indimmediate
          and indpred is null
          and indexprs is null
      ) as can_be_concurrent
    from pg_class view
    join pg_namespace namespace on namespace.oid = view.relnamespace
    where view.relkind = 'm'
      and namespace.nspname = current_schema()
    order by (select max(steps) from depth where depth.oid = view.oid), view.relname
  `.execute(queries)
  return rows
}

/** On a connection of its own, so that it can be ended from outside. */
async function refresh(
  { database, signal }: Pick<Context, 'database' | 'signal'>,
  { quotedName, canBeConcurrent }: MaterializedView,
): Promise<void> {
  const client = await database.pool.connect()
  let asked: Promise<unknown> = Promise.resolve()
  let cancelled: Promise<void> | undefined
  let onAbort: (() => void) | undefined
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    onAbort = () => {
      cancelled = cancelUntilEnded(asked, () =>
        database.pool.query('select pg_cancel_backend($1)', [rows[0]?.pid]).catch(() => undefined),
      )
    }
    signal.addEventListener('abort', onAbort, { once: true })
    await client.query(`set lock_timeout = ${lockTimeoutMs}`)
    const how = canBeConcurrent ? 'concurrently ' : ''
    signal.throwIfAborted()
    asked = client.query(`refresh materialized view ${how}${quotedName}`)
    await asked
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort)
    await cancelled
    // Not to be used again: its lock_timeout is ours.
    client.release(true)
  }
}
