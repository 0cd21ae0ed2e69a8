import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { ProcessIdentity } from '../os/index.ts'

export interface ExecutorRegistration {
  readonly id: string
  readonly label: string
  readonly kind: 'service' | 'one_shot'
  readonly identity: ProcessIdentity
  readonly dataFolderId: string
  readonly concurrency: number
  readonly programVersion: string
}

/** Enters an executor; its id is fresh for every process and never used again. */
export async function registerExecutor(
  queries: Queries,
  registration: ExecutorRegistration,
): Promise<void> {
  await queries
    .insertInto('analysisExecutors')
    .values({
      id: registration.id,
      label: registration.label,
      kind: registration.kind,
      host: registration.identity.host,
      pid: registration.identity.pid,
      processIdentity: JSON.stringify(registration.identity),
      dataFolderId: registration.dataFolderId,
      concurrency: registration.concurrency,
      programVersion: registration.programVersion,
    })
    .execute()
}

/**
 * Marks an executor as ended in order. A job whose end it could not write keeps its lease, and is
 * found by the next look for lost ones.
 */
export async function retireExecutor(queries: Queries, id: string): Promise<void> {
  await sql`
    with ended as (
      delete from analysis_leases lease
      where executor_id = ${id}
        and not exists (
          select
          from analysis_jobs
          where id = any (lease.job_ids)
            and lease_token = lease.token
            and status = 'running'
        )
    )
    update analysis_executors
    set stopped_at = now()
    where id = ${id}
      and stopped_at is null
  `.execute(queries)
}
