import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { schemaLock } from '../migrate/index.ts'

/** Advisory locks of the session: `rows` once per database, `files` once per data folder. */
export interface HeldLocks {
  /** False while another cleanup is at them; what that is, by its session. */
  readonly rows: boolean
  readonly files: boolean
  readonly holder: string | undefined
}

/**
 * "kiln" and "kilc" in ASCII, so that pg_locks tells whose they are. 2 and 3 are restore's: whoever
 * adds a job asks for those.
 */
const rowsLock = { classId: schemaLock.classId, objectId: 30 } as const
const filesClass = 0x6b696c63

/**
 * Takes what is free; the locks end with the session, so that a cleanup that was killed leaves none.
 * A lock that another holds is not waited for: what it guards is being done.
 *
 * @throws KilnError LOCK_TIMEOUT when nothing is left to do here, or when a migration or a restore has
 *   the schema.
 */
export async function takeLocks(
  session: Queries,
  wants: {
    readonly rows: boolean
    readonly folderId: string | undefined
    /** Changes nothing, and so is in nobody's way. */
    readonly dryRun: boolean
  },
): Promise<HeldLocks> {
  if (wants.dryRun) return { rows: true, files: true, holder: undefined }
  const { classId, objectId } = schemaLock
  if (!(await tryLock(session, classId, sql`${objectId}`, 'shared'))) {
    throw new KilnError(
      'LOCK_TIMEOUT',
      `the schema is being changed or restored by ${await holderOf(session, classId, sql`${objectId}`)}`,
      { hint: 'run the cleanup again when that has ended' },
    )
  }
  const folder = sql`hashtext(${wants.folderId ?? ''})`
  const rows =
    wants.rows && (await tryLock(session, rowsLock.classId, sql`${rowsLock.objectId}`, 'exclusive'))
  const files =
    wants.folderId !== undefined && (await tryLock(session, filesClass, folder, 'exclusive'))
  const misses = (wants.rows && !rows) || (wants.folderId !== undefined && !files)
  const holder = !misses
    ? undefined
    : wants.rows && !rows
      ? await holderOf(session, rowsLock.classId, sql`${rowsLock.objectId}`)
      : await holderOf(session, filesClass, folder)
  if (misses && !rows && !files) {
    throw new KilnError('LOCK_TIMEOUT', `another cleanup is at work: ${holder}`, {
      hint: 'leave it to that one, or run this again when it has ended',
    })
  }
  return { rows, files, holder }
}

/** Gives all locks of the session back, since its connection goes on in the pool. */
export async function releaseLocks(session: Queries): Promise<void> {
  await sql`select pg_advisory_unlock_all()`.execute(session)
}

/**
 * True while a backup reads: it copies the files that rows name in its snapshot, and one that is
 * deleted meanwhile makes it partial.
 */
export async function isBackupUnderWay(session: Queries): Promise<boolean> {
  const { rows } = await sql<{ some: boolean }>`
    select exists (
      select
      from pg_locks held
      join pg_stat_activity activity using (pid)
      where held.locktype = 'advisory'
        and held.database = (select oid from pg_database where datname = current_database())
        and held.classid = ${schemaLock.classId}::bigint::oid
        and held.objid = ${schemaLock.objectId}::bigint::oid
        and held.granted
        and activity.application_name like '%backup%'
    ) as some
  `.execute(session)
  return rows[0]?.some ?? false
}

type Expression = ReturnType<typeof sql>

async function tryLock(
  session: Queries,
  classId: number,
  objectId: Expression,
  mode: 'shared' | 'exclusive',
): Promise<boolean> {
  const name = sql.raw(`pg_try_advisory_lock${mode === 'shared' ? '_shared' : ''}`)
  const { rows } = await sql<{ taken: boolean }>`
    select ${name}(${classId}::integer, ${objectId}::integer) as taken
  `.execute(session)
  return rows[0]?.taken ?? false
}

async function holderOf(session: Queries, classId: number, objectId: Expression): Promise<string> {
  const { rows } = await sql<{ pid: number; name: string | null }>`
    select activity.pid, nullif(activity.application_name, '') as name
    from pg_locks held
    join pg_stat_activity activity using (pid)
    where held.locktype = 'advisory'
      and held.database = (select oid from pg_database where datname = current_database())
      and held.classid = ${classId}::bigint::oid
      and held.objid = (${objectId}::integer::bigint & 4294967295)::oid
      and held.objsubid = 2
      and held.granted
      and held.pid <> pg_backend_pid()
    limit 1
  `.execute(session)
  const holder = rows[0]
  return holder
    ? `pid ${holder.pid} (${holder.name ?? 'no name'})`
    : 'a session that has just ended'
}
