import { sql } from 'kysely'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { type Queries, repeatedTransaction } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'

export interface DrainedExecutor {
  readonly id: string
  readonly label: string
  /** What it has still to finish. */
  readonly runningJobs: number
}

/**
 * Tells executors, by id or label, to take no more jobs; what runs there goes on. All of them or,
 * when one is not known or has stopped, none. Safe to repeat. It holds until the executor ends.
 *
 * @throws KilnError EXECUTOR_NOT_FOUND.
 */
export async function drainExecutors(
  context: Pick<Context, 'database' | 'operator'>,
  idsOrLabels: readonly string[],
): Promise<DrainedExecutor[]> {
  return repeatedTransaction(context.database.queries, async (transaction) => {
    const drained: DrainedExecutor[] = []
    await lockExecutors(transaction, idsOrLabels)
    for (const idOrLabel of new Set(idsOrLabels)) {
      const executors = await drain(transaction, idOrLabel)
      if (executors.length === 0) {
        throw new KilnError('EXECUTOR_NOT_FOUND', `no executor ${idOrLabel} is running`, {
          hint: 'run: kiln executor list',
        })
      }
      for (const { wasDraining, ...executor } of executors) {
        drained.push(executor)
        if (wasDraining) continue
        await recordAudit(transaction, context.operator, {
          action: 'executor.drain',
          targetType: 'executor',
          targetId: executor.id,
          targetName: executor.label,
          before: { is_draining: false },
          after: { is_draining: true },
        })
      }
    }
    return drained
  })
}

/** All at first and in one order, whatever order they are named in. */
async function lockExecutors(transaction: Queries, idsOrLabels: readonly string[]): Promise<void> {
  await sql`
    select id
    from analysis_executors
    where (id::text = any (${idsOrLabels.map((one) => one.toLowerCase())}::text[])
        or label = any (${idsOrLabels}::text[]))
      and stopped_at is null
    order by id
    for no key update
  `.execute(transaction)
}

async function drain(
  transaction: Queries,
  idOrLabel: string,
): Promise<(DrainedExecutor & { wasDraining: boolean })[]> {
  const { rows } = await sql<DrainedExecutor & { wasDraining: boolean }>`
    with named as (
      select id, is_draining as was_draining
      from analysis_executors
      where (id::text = lower(${idOrLabel}) or label = ${idOrLabel})
        and stopped_at is null
    )
    update analysis_executors executor
    set is_draining = true
    from named
    where executor.id = named.id
    returning executor.id, executor.label, named.was_draining,
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
  `.execute(transaction)
  return rows
}
