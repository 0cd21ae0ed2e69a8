import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Moves the counters of executors that ended into the rows of no executor, so that reading stays
 * cheap however many commands have run. Sums do not change at any moment. Returns how many rows
 * were moved; safe to run anywhere at any time.
 */
export async function foldCounters(queries: Queries): Promise<number> {
  const { rows } = await sql<{ moved: number }>`
    with ended as (
      -- A minute, so that no write of the executor's last moment comes after this.
      select counter.executor_id, counter.name
      from analysis_counters counter
      left join analysis_executors executor on executor.id = counter.executor_id
      where counter.executor_id <> '00000000-0000-0000-0000-000000000000'
        and (executor.id is null or executor.stopped_at < now() - interval '1 minute')
      limit 10000
      for update of counter skip locked
    ),
    taken as (
      delete from analysis_counters counter
      using ended
      where counter.executor_id = ended.executor_id
        and counter.name = ended.name
      returning counter.name, counter.value
    ),
    folded as (
      insert into analysis_counters as total (name, value)
      select name, sum(value)
      from taken
      group by name
      -- In one order everywhere, so that two folds never wait for each other in a circle.
      order by name
      on conflict (executor_id, name) do update set value = total.value + excluded.value
    )
    select count(*)::integer as moved
    from taken
  `.execute(queries)
  return rows[0]?.moved ?? 0
}
