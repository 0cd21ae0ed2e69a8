import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'

/**
 * VACUUM ANALYZE of tables that lost rows, slowly and by one process. It never takes the lock that
 * cutting off the end of the file needs: claims would wait for that. Returns those it did; what
 * Postgres skips (a role that does not own the table, another vacuum at work) stays for autovacuum.
 */
export async function vacuumTables(
  session: Queries,
  tables: readonly string[],
  onProblem: (problem: string) => void,
): Promise<string[]> {
  const done: string[] = []
  if (tables.length === 0) return done
  // The same restraint as autovacuum has.
  await sql`set vacuum_cost_delay = 2`.execute(session)
  try {
    for (const table of tables) {
      try {
        await sql`
          vacuum (analyze, skip_locked, truncate false, parallel 0) ${sql.table(table)}
        `.execute(session)
        done.push(table)
      } catch (error) {
        onProblem(`vacuum of ${table}: ${messageOf(error)}`)
      }
    }
  } finally {
    await sql`reset vacuum_cost_delay`.execute(session)
  }
  return done
}
