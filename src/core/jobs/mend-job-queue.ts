import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

export interface MendedQueue {
  /** Jobs that were pending and ready without an entry: they have one now. */
  readonly found: number
  /** Entries at the front without a job that a claim could take: they are gone. */
  readonly dropped: number
  /** Where the next look begins; 0 after the end of the table. */
  readonly nextBlock: number
}

/** Of the front of the queue, where they cost each claim a look. */
const maxDropped = 1000

/**
 * Looks at `blocks` blocks of the table of jobs for those that were loaded without triggers, as some
 * restores do, and have no entry in the queue. A part at a time, since no index may say which jobs are
 * ready. Safe beside anything else: it waits for nobody, and a job with two entries runs once.
 */
export async function mendJobQueue(
  queries: Queries,
  fromBlock: number,
  blocks: number,
): Promise<MendedQueue> {
  const nextBlock = fromBlock + blocks
  const { rows } = await sql<{ found: number; dropped: number; isEnd: boolean }>`
    with forgotten as (
      insert into analysis_job_queue (priority, run_at, job_id, database_home)
      select priority, run_at, id, database_home
      from analysis_jobs job
      where job.ctid >= ${`(${fromBlock},0)`}::tid
        and job.ctid < ${`(${nextBlock},0)`}::tid
        and job.ready
        and job.status = 'pending'
        and not exists (
          select
          from analysis_job_queue queue
          where queue.job_id = job.id
            and queue.priority = job.priority
            and queue.run_at = job.run_at
        )
      returning job_id
    ),
    front as (
      select ctid as entry, priority, run_at, job_id
      from analysis_job_queue
      where run_at <= now()
      order by priority desc, run_at, job_id
      limit ${maxDropped}
    ),
    vain as (
      select entry
      from front
      where not exists (
        select
        from analysis_jobs job
        where job.id = front.job_id
          and job.ready
          and job.status = 'pending'
          and job.priority = front.priority
          and job.run_at = front.run_at
      )
    ),
    dropped as (
      delete from analysis_job_queue
      where ctid in (
        select queue.ctid
        from analysis_job_queue queue
        where queue.ctid = any (array(select entry from vain))
        for update skip locked
      )
      returning job_id
    ),
    notified as (
      select pg_notify('kiln_jobs', '')
      where exists (select from forgotten)
    )
    select (select count(*) from forgotten)::integer as found,
      (select count(*) from dropped)::integer as dropped,
      pg_relation_size('analysis_jobs') <=
        ${nextBlock}::bigint * current_setting('block_size')::integer as is_end,
      (select count(*) from notified) as notified
  `.execute(queries)
  const { found = 0, dropped = 0, isEnd = true } = rows[0] ?? {}
  return { found, dropped, nextBlock: isEnd ? 0 : nextBlock }
}
