import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { delay } from '../os/index.ts'
import type { DatabaseUse } from './take-database-slot.ts'

/** Void 30 s after its last beat: six may fail. */
const beatEveryMs = 5000
const lookEveryMs = 200

export interface DatabaseHoldRequest {
  readonly projectId: string
  readonly use: DatabaseUse
  /** What for, in the words that a job that waits for it is told. */
  readonly purpose: string
  /** How long to wait for those who have it; 0: not at all. */
  readonly waitMs: number
}

/** A slot of a project's database that is no job's. */
export interface DatabaseHold {
  /**
   * Makes sure, for the transaction that relies on it, that nobody else has had the database since it
   * was granted: a process that stood still for long has lost it.
   *
   * @throws KilnError PROJECT_DATABASE_BUSY.
   */
  confirm(transaction: Queries): Promise<void>
  /** Safe to repeat. */
  release(): Promise<void>
}

/**
 * Takes a slot of the project's database for something that is no job, after those who have it now
 * and before the jobs that wait for it. It is void when this process dies.
 *
 * @throws KilnError PROJECT_DATABASE_BUSY when others still have it after `waitMs`.
 */
export async function holdDatabase(
  { database, signal }: Pick<Context, 'database' | 'signal'>,
  request: DatabaseHoldRequest,
): Promise<DatabaseHold> {
  const { queries } = database
  const id = randomUUID()
  await sql`
    insert into analysis_database_holds (id, project_id, database_use, purpose)
    values (${id}, ${request.projectId}, ${request.use}, ${request.purpose})
  `.execute(queries)
  const release = async (): Promise<void> => {
    clearInterval(timer)
    await sql`
      with released as (
        delete from analysis_database_holds
        where id = ${id}
          or beat_at < now() - interval '1 hour'
        returning id
      )
      select pg_notify('kiln_slots', '')
      from released
    `.execute(queries)
  }
  const timer = setInterval(() => {
    // One that fails is made up for by the next.
    void sql`
      update analysis_database_holds
      set beat_at = now()
      where id = ${id}
        -- Once void it stays so: others may have had the database meanwhile.
        and beat_at > now() - interval '30 seconds'
    `
      .execute(queries)
      .catch(() => undefined)
  }, beatEveryMs)
  try {
    const deadline = performance.now() + request.waitMs
    while (!(await grant(queries, id))) {
      if (performance.now() >= deadline) throw await busy(queries, request)
      await delay(lookEveryMs, signal)
    }
  } catch (error) {
    await release().catch(() => undefined)
    throw error
  }
  const confirm = async (transaction: Queries): Promise<void> => {
    const { rows } = await sql`
      select
      from analysis_database_holds
      where id = ${id}
        and granted_at is not null
        and beat_at > now() - interval '30 seconds'
      for update
    `.execute(transaction)
    if (rows.length > 0) return
    throw new KilnError(
      'PROJECT_DATABASE_BUSY',
      `this process stood still for so long that others may have used the database of the project "${request.projectId}"`,
      { hint: 'run the command again: nothing has changed' },
    )
  }
  return { confirm, release }
}

async function grant(queries: Queries, id: string): Promise<boolean> {
  return queries.transaction().execute(async (transaction) => {
    await sql`select kiln_lock_slots()`.execute(transaction)
    const { rows } = await sql`
      update analysis_database_holds hold
      set granted_at = now(), beat_at = now()
      where id = ${id}
        and not exists (
          select
          from analysis_database_users other
          where other.project_id = hold.project_id
            and other.hold_id is distinct from hold.id
            and (other.database_use = 'write' or hold.database_use = 'write')
            and (other.state <> 'asked' or other.since < hold.created_at)
        )
      returning id
    `.execute(transaction)
    return rows.length > 0
  })
}

async function busy(queries: Queries, { projectId, use }: DatabaseHoldRequest): Promise<KilnError> {
  const { rows } = await sql<{ reason: string | null }>`
    select kiln_database_reason(${projectId}, ${use}) as reason
  `.execute(queries)
  const reason = rows[0]?.reason ?? `others wait for the database of the project "${projectId}"`
  return new KilnError('PROJECT_DATABASE_BUSY', reason, {
    hint: 'wait for it with --wait, or look who has it: kiln duckdb info',
  })
}
