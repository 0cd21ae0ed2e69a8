import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import type { Lease } from './finish-jobs.ts'

export type DatabaseUse = 'read' | 'write'

/** What a job needs of its project's database. */
export interface DatabaseNeed {
  readonly use: DatabaseUse
  readonly projectId: string
  /** Id of the data folder that has it; null until a job opens it first. */
  readonly home: string | null
}

/** Who asks for a slot of it. */
export interface DatabaseSlotTaker extends DatabaseNeed {
  readonly executorId: string
  readonly parentJobId?: string | undefined
  /** What it has asked for before. */
  readonly slotRequestId?: string | undefined
}

/** What a version declares; undefined for nothing, or while nobody has read it. */
export async function needOfVersion(
  queries: Queries,
  { analysisId, versionNumber }: { readonly analysisId: string; readonly versionNumber: number },
): Promise<DatabaseNeed | undefined> {
  const { rows } = await sql<{
    use: DatabaseUse | null
    projectId: string
    home: string | null
  }>`
    select kiln_declared_use(version.definition) as use, analysis.project_id,
      project.home_folder as home
    from analyses analysis
    join projects project on project.id = analysis.project_id
    join analysis_versions version
      on version.analysis_id = analysis.id
      and version.version_number = ${versionNumber}
    where analysis.id = ${analysisId}
  `.execute(queries)
  const [need] = rows
  return need && need.use !== null ? { ...need, use: need.use } : undefined
}

/**
 * Makes sure that a job that runs at once may have the project database, under the lock on all slots;
 * the caller writes it into the job's row. Jobs that were admitted and that no executor has claimed
 * yet step back. A child whose ancestor reads may read beside it without waiting: whoever waits for
 * the ancestor would otherwise be waited for.
 *
 * @throws KilnError LIMITS_FULL when others have it, PROJECT_DATABASE_HELD when an ancestor has it and could
 * not give it back before the child ends, PROJECT_DATABASE_ELSEWHERE when this executor cannot open it.
 */
export async function takeDatabaseSlot(
  transaction: Queries,
  taker: DatabaseSlotTaker,
): Promise<void> {
  const { use, projectId } = taker
  await requireHome(transaction, taker)
  const held = await heldAbove(transaction, taker.parentJobId)
  if (held === 'write' || (held === 'read' && use === 'write')) {
    throw new KilnError(
      'PROJECT_DATABASE_HELD',
      `it would ${use} the database of the project "${projectId}" while a job above it ${held === 'write' ? 'writes' : 'reads'} it`,
      { hint: 'let only one of the two analyses declare database' },
    )
  }
  if (held !== undefined) return
  await stepBack(transaction, taker)
  const { rows } = await sql<{ users: number }>`
    select count(*)::integer as users
    from analysis_database_users
    where project_id = ${projectId}
      and (database_use = 'write' or ${use} = 'write')
      -- Of jobs it is null.
      and (hold_id is null or hold_id is distinct from ${taker.slotRequestId ?? null}::uuid)
      and (
        state <> 'asked'
        -- Who asked first goes first.
        or since <= coalesce(
          (
            select first_asked_at
            from analysis_slot_requests
            where id = ${taker.slotRequestId ?? null}::uuid
          ),
          now()
        )
      )
  `.execute(transaction)
  const users = rows[0]?.users ?? 0
  if (users === 0) return
  throw new KilnError(
    'LIMITS_FULL',
    `the database of the project "${projectId}" is in use: one job writes it, or several read it`,
    {
      hint: 'try again when they have ended, or queue it with --queue',
      details: { limit: 'database', slots: users },
    },
  )
}

async function requireHome(queries: Queries, taker: DatabaseSlotTaker): Promise<void> {
  const { home, projectId, executorId } = taker
  if (home === null) return
  const { rows } = await sql`
    select
    from analysis_executors
    where id = ${executorId}
      and data_folder_id::text = ${home}
  `.execute(queries)
  if (rows.length > 0) return
  throw new KilnError(
    'PROJECT_DATABASE_ELSEWHERE',
    `the database of the project "${projectId}" is in the data folder ${home}, which is not this one`,
    { hint: 'run it where that folder is, or queue it with --queue', details: { home } },
  )
}

/** What the jobs above a child have of their project's database. */
async function heldAbove(
  queries: Queries,
  parentJobId: string | undefined,
): Promise<DatabaseUse | undefined> {
  if (parentJobId === undefined) return undefined
  const { rows } = await sql<{ databaseUse: DatabaseUse }>`
    with recursive ancestors as (
      select id, parent_job_id, holds_slot, database_use
      from analysis_jobs
      where id = ${parentJobId}
      -- Not all: somebody may have made a circle of parents by SQL.
      union
      select job.id, job.parent_job_id, job.holds_slot, job.database_use
      from analysis_jobs job
      join ancestors on job.id = ancestors.parent_job_id
    )
    select database_use
    from ancestors
    where holds_slot
      and database_use is not null
    order by database_use desc
  `.execute(queries)
  return rows[0]?.databaseUse
}

/** Sends jobs that are in the way, and that no executor has claimed, back to waiting. */
async function stepBack(queries: Queries, { projectId, use }: DatabaseNeed): Promise<void> {
  await sql`
    with admitted as (
      select job.id
      from analysis_jobs job
      join analyses analysis on analysis.id = job.analysis_id
      where job.holds_slot
        and job.database_use is not null
        and job.status = 'pending'
        and analysis.project_id = ${projectId}
        and (job.database_use = 'write' or ${use} = 'write')
      for update of job skip locked
    )
    update analysis_jobs
    set ready = false, holds_slot = false, waits_for_slot = true,
      waiting_reason = coalesce(kiln_limit_reason(analysis_id), 'the project database')
    where id in (select id from admitted)
  `.execute(queries)
}

/**
 * Takes the slot for a job that runs already: only now is known what its script declares. False when
 * the lease no longer holds. Safe to repeat.
 *
 * @throws KilnError as `takeDatabaseSlot` does.
 */
export async function takeDatabaseSlotLate(
  queries: Queries,
  lease: Lease,
  taker: DatabaseSlotTaker,
): Promise<boolean> {
  return queries.transaction().execute(async (transaction) => {
    const { rows: taken } = await sql<{ isTaken: boolean }>`
      select lease_token = ${lease.leaseToken}
        and holds_slot
        and database_use is not distinct from ${taker.use} as is_taken
      from analysis_jobs
      where id = ${lease.jobId}
      for update
    `.execute(transaction)
    // By a try whose reply was lost: it would wait for itself.
    if (taken[0]?.isTaken) return true
    await sql`select kiln_lock_slots()`.execute(transaction)
    await takeDatabaseSlot(transaction, taker)
    const { rows } = await sql`
      update analysis_jobs
      set holds_slot = true, database_use = ${taker.use}, database_home = ${taker.home}
      where id = ${lease.jobId}
        and lease_token = ${lease.leaseToken}
        and status = 'running'
      returning id
    `.execute(transaction)
    return rows.length > 0
  })
}

/**
 * Returns a claimed job that turned out to need the project database, or another home than this
 * executor's: it waits for its slot, and the attempt that the claim counted is taken back.
 */
export async function returnForDatabase(
  queries: Queries,
  lease: Lease,
  use: DatabaseUse,
): Promise<boolean> {
  const { rows } = await sql`
    with returned as (
      update analysis_jobs job
      set status = 'pending', ready = false, waits_for_slot = true, holds_slot = false,
        waiting_reason = coalesce(kiln_limit_reason(analysis_id), 'the project database'),
        database_use = ${use}, executor_id = null, lease_token = null, started_at = null,
        attempt = job.attempt - 1
      where id = ${lease.jobId}
        and lease_token = ${lease.leaseToken}
        and status = 'running'
      returning id
    ),
    notified as (
      select pg_notify('kiln_slots', '')
      where exists (select from returned)
    )
    select id, (select count(*) from notified) as notified
    from returned
  `.execute(queries)
  return rows.length > 0
}

/**
 * The data folder that has the project's database: this one, if none had it before. To be asked before
 * the file is opened, by who holds a slot.
 */
export async function takeHome(
  queries: Queries,
  projectId: string,
  dataFolderId: string,
): Promise<string> {
  await sql`
    update projects
    set home_folder = ${dataFolderId}
    where id = ${projectId}
      and home_folder is null
  `.execute(queries)
  const { rows } = await sql<{ home: string }>`
    select home_folder as home
    from projects
    where id = ${projectId}
  `.execute(queries)
  return rows[0]?.home ?? dataFolderId
}
