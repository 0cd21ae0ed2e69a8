import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { type DatabaseNeed, needOfVersion, takeDatabaseSlot } from './take-database-slot.ts'

/** A limit that stands, and how full it is. */
interface Room {
  readonly analysisName: string
  readonly analysisLimit: number | null
  /** Held by its jobs, or kept for children that wait. */
  readonly analysisSlots: number
  readonly projectId: string
  readonly projectLimit: number | null
  readonly projectSlots: number
}

/** What a job that starts at once has been given. */
export interface TakenSlot {
  readonly holdsSlot: boolean
  readonly database: DatabaseNeed | undefined
}

export interface SlotTaker {
  readonly analysisId: string
  readonly versionNumber: number
  readonly executorId: string
  /**
   * A child needs no slot of the project, since its parent holds one; and what is kept for waiting
   * children is kept for it.
   */
  readonly parentJobId?: string | undefined
  /** What a child has asked for before; fulfilled by the slot. */
  readonly slotRequestId?: string | undefined
}

/**
 * Takes a slot for a job that starts at once, inside the transaction that inserts it; none when no
 * limit asks for one and it needs no project database. Jobs that were admitted and that no executor has claimed yet step back for
 * it: were they not to, parents that fill all executors would wait for slots that only executors
 * can free. Locks nothing of an analysis without limits.
 *
 * @throws KilnError LIMITS_FULL naming the limit, PROJECT_DATABASE_HELD, PROJECT_DATABASE_ELSEWHERE.
 */
export async function takeSlot(transaction: Queries, taker: SlotTaker): Promise<TakenSlot> {
  const isChild = taker.parentJobId !== undefined
  const database = await needOfVersion(transaction, taker)
  const limited = await isLimited(transaction, taker.analysisId, isChild)
  if (!limited && !database) return { holdsSlot: false, database }
  await lockBeforeSlots(transaction, taker)
  await sql`select kiln_lock_slots()`.execute(transaction)
  if (database) await takeDatabaseSlot(transaction, { ...taker, ...database })
  const holdsSlot = await takeLimitedSlot(transaction, taker)
  if (taker.slotRequestId !== undefined) await withdrawSlotRequest(transaction, taker.slotRequestId)
  return { holdsSlot: holdsSlot || database !== undefined, database }
}

async function takeLimitedSlot(
  transaction: Queries,
  { analysisId, parentJobId }: SlotTaker,
): Promise<boolean> {
  const isChild = parentJobId !== undefined
  const room = await readRoom(transaction, analysisId, isChild)
  if (!room) return false
  const { analysisLimit, projectLimit } = room
  if (analysisLimit === null && (isChild || projectLimit === null)) return false
  const tooMany = analysisLimit === null ? 0 : room.analysisSlots + 1 - analysisLimit
  const stepped = tooMany > 0 ? await stepBack(transaction, tooMany, { analysisId }) : 0
  if (stepped < tooMany) throw full(room, 'analysis')
  if (isChild || projectLimit === null) return true
  const tooManyOfProject = room.projectSlots - stepped + 1 - projectLimit
  if (tooManyOfProject > 0) {
    const { projectId } = room
    const others = await stepBack(transaction, tooManyOfProject, { projectId })
    if (others < tooManyOfProject) throw full(room, 'project')
  }
  return true
}

async function isLimited(queries: Queries, analysisId: string, isChild: boolean): Promise<boolean> {
  const { rows } = await sql`
    select
    from analyses analysis
    join projects project on project.id = analysis.project_id
    where analysis.id = ${analysisId}
      and (
        analysis.max_concurrent is not null
        or (project.max_concurrent is not null and not ${isChild})
      )
  `.execute(queries)
  return rows.length > 0
}

/** Rows that the insert will lock: nobody may wait for one under the lock on all slots. */
async function lockBeforeSlots(queries: Queries, taker: SlotTaker): Promise<void> {
  const { analysisId, parentJobId } = taker
  await sql`select from analyses where id = ${analysisId} for key share`.execute(queries)
  if (parentJobId === undefined) return
  await sql`select from analysis_jobs where id = ${parentJobId} for share`.execute(queries)
}

async function readRoom(
  queries: Queries,
  analysisId: string,
  isChild: boolean,
): Promise<Room | undefined> {
  const { rows } = await sql<Room>`
    select analysis.name as analysis_name,
      analysis.max_concurrent as analysis_limit,
      (
        select count(*)
        from analysis_jobs
        where holds_slot
          and analysis_id = analysis.id
      ) + (
        select count(*)
        from analysis_slot_requests
        where analysis_id = analysis.id
          and not ${isChild}
          and asked_at > now() - interval '5 seconds'
      ) as analysis_slots,
      project.id as project_id,
      project.max_concurrent as project_limit,
      (
        select count(*)
        from analysis_jobs job
        join analyses sibling on sibling.id = job.analysis_id
        where job.holds_slot
          and job.parent_job_id is null
          and sibling.project_id = project.id
      ) as project_slots
    from analyses analysis
    join projects project on project.id = analysis.project_id
    where analysis.id = ${analysisId}
  `.execute(queries)
  return rows[0]
}

/** Sends jobs that hold a slot and are still pending back to waiting, last first. */
async function stepBack(
  queries: Queries,
  count: number,
  of: { readonly analysisId: string } | { readonly projectId: string },
): Promise<number> {
  const mine =
    'analysisId' in of
      ? sql`job.analysis_id = ${of.analysisId}`
      : sql`analysis.project_id = ${of.projectId} and job.parent_job_id is null`
  const { rows } = await sql`
    with admitted as (
      select job.id
      from analysis_jobs job
      join analyses analysis on analysis.id = job.analysis_id
      where job.holds_slot
        and job.status = 'pending'
        and ${mine}
      order by job.priority, job.run_at desc, job.id desc
      limit ${count}
      for update of job skip locked
    )
    update analysis_jobs
    set ready = false, holds_slot = false, waits_for_slot = true,
      waiting_reason = kiln_limit_reason(analysis_id)
    where id in (select id from admitted)
    returning id
  `.execute(queries)
  return rows.length
}

function full(room: Room, limit: 'analysis' | 'project'): KilnError {
  const { analysisName, analysisLimit, projectId, projectLimit } = room
  const message =
    limit === 'analysis'
      ? `the analysis "${analysisName}" runs at most ${jobs(analysisLimit)} at a time`
      : `the project "${projectId}" runs at most ${jobs(projectLimit)} at a time`
  return new KilnError('LIMITS_FULL', message, {
    hint: 'try again when one has ended, or queue it with --queue',
    details: { limit, slots: limit === 'analysis' ? room.analysisSlots : room.projectSlots },
  })
}

const jobs = (count: number | null): string => (count === 1 ? '1 job' : `${count} jobs`)

/**
 * Keeps the next slot of an analysis, and of the project database if its current version needs it,
 * for a child that waits; to be repeated within 5 s.
 */
export async function requestSlot(
  queries: Queries,
  requestId: string,
  analysisId: string,
): Promise<void> {
  await sql`
    insert into analysis_slot_requests (id, analysis_id, database_use)
    select ${requestId}, id, database_use
    from analyses
    where id = ${analysisId}
    on conflict (id) do update set asked_at = now()
  `.execute(queries)
}

/** Ends a request, and those that their processes have left behind. */
export async function withdrawSlotRequest(queries: Queries, requestId: string): Promise<void> {
  await sql`
    delete from analysis_slot_requests
    where id = ${requestId}
      or asked_at < now() - interval '1 minute'
  `.execute(queries)
}
