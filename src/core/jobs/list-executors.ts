import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { type ProcessIdentity, isProvablyGone } from '../os/index.ts'
import { deadAfterMs } from './sweep-lost-executors.ts'

export const executorStates = ['alive', 'draining', 'stopped', 'dead'] as const
export type ExecutorState = (typeof executorStates)[number]

/** An executor as its row and its heartbeat tell. */
export interface ExecutorInfo {
  readonly id: string
  /** Host and pid, for people. */
  readonly label: string
  readonly kind: 'service' | 'one_shot'
  /**
   * `dead`: it has not signed off, and its heartbeat is over 8 s old or its process gone; the next
   * look at the queue takes its jobs.
   */
  readonly state: ExecutorState
  readonly host: string
  readonly pid: number
  readonly concurrency: number
  readonly runningJobs: number
  readonly programVersion: string | null
  readonly startedAt: string
  readonly beatAt: string
  readonly beatAgeMs: number
  readonly stoppedAt: string | null
}

/** Executors, last started first; those that have stopped only when asked for. */
export async function listExecutors(
  queries: Queries,
  options: { readonly includeStopped: boolean; readonly limit: number },
): Promise<ExecutorInfo[]> {
  const { rows } = await sql<
    Omit<ExecutorInfo, 'state'> & { isDraining: boolean; processIdentity: ProcessIdentity }
  >`
    select executor.id, executor.label, executor.kind, executor.host, executor.pid,
      executor.concurrency, executor.program_version, executor.started_at, executor.beat_at,
      executor.stopped_at, executor.is_draining, executor.process_identity,
      greatest(0, extract(epoch from now() - executor.beat_at) * 1000)::bigint as beat_age_ms,
      (
        select count(*)
        from analysis_jobs job
        where job.id = any (array(
            select unnest(lease.job_ids)
            from analysis_leases lease
            where lease.executor_id = executor.id
          ))
          and job.executor_id = executor.id
          and job.status = 'running'
      )::integer as running_jobs
    from analysis_executors executor
    where ${options.includeStopped} or executor.stopped_at is null
    order by executor.started_at desc, executor.id
    limit ${options.limit}
  `.execute(queries)
  return rows.map(({ isDraining, processIdentity, ...executor }) => ({
    ...executor,
    state: stateOf(executor, isDraining, processIdentity),
  }))
}

function stateOf(
  executor: Pick<ExecutorInfo, 'stoppedAt' | 'beatAgeMs'>,
  isDraining: boolean,
  identity: ProcessIdentity,
): ExecutorState {
  if (executor.stoppedAt !== null) return 'stopped'
  if (executor.beatAgeMs > deadAfterMs || isProvablyGone(identity)) return 'dead'
  return isDraining ? 'draining' : 'alive'
}
