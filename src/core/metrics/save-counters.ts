import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Sets counters of an executor to its totals. Only its own process writes them, so setting is safe
 * to repeat where adding is not. Nothing is written once the executor has ended: `foldCounters` may
 * have moved its rows.
 */
export async function saveCounters(
  queries: Queries,
  executorId: string,
  totals: ReadonlyMap<string, number>,
): Promise<void> {
  await sql`
    insert into analysis_counters (executor_id, name, value)
    select executor.id, total.name, total.value
    from analysis_executors executor
    cross join unnest(
      ${[...totals.keys()]}::text[],
      ${[...totals.values()]}::double precision[]
    ) as total (name, value)
    where executor.id = ${executorId}
      and executor.stopped_at is null
    on conflict (executor_id, name) do update set value = excluded.value
  `.execute(queries)
}
