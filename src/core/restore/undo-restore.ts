import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { readDependents } from './postgres/dependents.ts'
import { exchangeTables } from './postgres/exchange-tables.ts'
import { fillInPlace } from './postgres/fill-in-place.ts'
import {
  type RestoreRecord,
  abandonRestore,
  auditRestore,
  readRestores,
  setState,
} from './postgres/restore-record.ts'
import { methodOf, withLockRetries } from './postgres/restore-tables.ts'
import { type RestoreSession, quoted, withRestoreSession } from './postgres/session.ts'
import { type RestoreTarget, withLockedTarget } from './restore-target.ts'

export interface UndoneRestore {
  readonly id: string
  readonly source: string
  /** `unfinished`: nothing of it was live; `undone`: the tables of before are live again. */
  readonly outcome: 'unfinished' | 'undone'
}

/** The restore that `--resume` and `--rollback` mean: the last one, unless that was rolled back. */
export async function lastRestore(
  context: Pick<Context, 'signal'>,
  target: RestoreTarget,
): Promise<RestoreRecord | undefined> {
  if (!target.exists) return undefined
  return await withRestoreSession(target.connection, context, async (session) => {
    const { rows } = await session.query<{ isThere: boolean }>(
      `select to_regclass('analysis_restores') is not null as "isThere"`,
    )
    if (rows[0]?.isThere !== true) return undefined
    const [last] = await readRestores(session)
    return last?.state === 'rolled_back' ? undefined : last
  })
}

/**
 * Takes the last restore back: what a killed one has left goes, and after a finished one the tables of
 * before it are live again, without what has changed since.
 *
 * @throws KilnError RESTORE_NOT_FOUND, RESTORE_REFUSED when they were dropped or the schema has changed.
 */
export async function undoRestore(
  context: Pick<Context, 'database' | 'signal' | 'operator'>,
  target: RestoreTarget,
): Promise<UndoneRestore> {
  const known = await lastRestore(context, target)
  if (!known) throw nothingToUndo()
  return await withLockedTarget(context, { target }, async (session) => {
    // Only now nobody else works on it.
    const [last] = await readRestores(session)
    if (!last || last.id !== known.id || last.state === 'rolled_back') throw nothingToUndo()
    const { id, source } = last
    if (last.state !== 'done') {
      await abandonRestore(session, id)
      return { id, source, outcome: 'unfinished' }
    }
    await putBack(session, last, context.operator)
    return { id, source, outcome: 'undone' }
  })
}

async function putBack(
  session: RestoreSession,
  { id, source, oldSchema, details }: RestoreRecord,
  operator: Context['operator'],
): Promise<void> {
  if (oldSchema === null) {
    throw new KilnError('RESTORE_REFUSED', `the tables of before the restore ${id} were dropped`, {
      hint: 'restore a backup of the time before it: kiln backup list',
    })
  }
  await requireSameColumns(session, oldSchema, details.added_columns)
  const { foreignKeys, ...dependents } = await readDependents(session)
  const discarded = `kiln_undone_${id}`
  await withLockRetries(session, async () => {
    const isExchange =
      methodOf({ foreignKeys, ...dependents }) === 'exchange' && (await hasKeys(session, oldSchema))
    if (isExchange) {
      await exchangeTables(session, {
        incoming: oldSchema,
        outgoing: discarded,
        outsideKeys: foreignKeys,
      })
    } else {
      await fillInPlace(session, {
        incoming: oldSchema,
        outgoing: undefined,
        outsideKeys: foreignKeys,
      })
    }
    await session.query(`drop schema if exists ${quoted(discarded)} cascade`)
    await session.query(`drop schema ${quoted(oldSchema)} cascade`)
    await setState(session, id, 'rolled_back')
    await auditRestore(session, operator, 'restore.rollback', id, { source })
  })
}

/** The copies of a restore in place have rows and nothing else. */
async function hasKeys(session: RestoreSession, schema: string): Promise<boolean> {
  const { rows } = await session.query<{ hasKeys: boolean }>(
    `select exists (
       select from pg_constraint k
       join pg_class c on c.oid = k.conrelid
       join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = $1 and c.relname = 'analysis_jobs' and k.contype = 'p'
     ) as "hasKeys"`,
    [schema],
  )
  return rows[0]?.hasKeys ?? false
}

/** Tables of an older schema would not suit this program. */
async function requireSameColumns(
  session: RestoreSession,
  oldSchema: string,
  /** Names with their tables that the restore brought itself. */
  added: unknown,
): Promise<void> {
  const { rows } = await session.query<{ name: string }>(
    `with columns as (
       select n.nspname = $1 as "isOld", c.relname || '.' || a.attname || ' '
           || format_type(a.atttypid, a.atttypmod) as name, c.relname,
         c.relname || '.' || a.attname as short
       from pg_attribute a
       join pg_class c on c.oid = a.attrelid
       join pg_namespace n on n.oid = c.relnamespace
       where n.nspname in ($1, $2) and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
     ),
     names as (select distinct relname from columns where "isOld")
     select name from columns
     where relname in (select relname from names)
       and short <> all ($3)
     group by name
     having count(*) = 1
     order by name
     limit 5`,
    [oldSchema, session.live, Array.isArray(added) ? added : []],
  )
  if (rows.length === 0) return
  throw new KilnError(
    'RESTORE_REFUSED',
    `the schema has changed since that restore: ${rows.map(({ name }) => name).join(', ')}`,
    { hint: 'restore a backup of the time before it: kiln backup list' },
  )
}

const nothingToUndo = (): KilnError =>
  new KilnError('RESTORE_NOT_FOUND', 'there is no restore to take back', {
    hint: 'restore a backup: kiln restore postgres latest --confirm NAME',
  })
