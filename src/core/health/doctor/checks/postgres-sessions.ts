import { sql } from 'kysely'
import type { Queries } from '../../../database/index.ts'
import { formatDuration } from '../../../units/index.ts'
import { type Check, type Finding, critical, judge, ok, skipped, warning } from '../check.ts'

const group = 'postgres'

interface Session {
  readonly pid: number
  readonly name: string | null
  readonly user: string | null
  readonly ageMs: number
}

const describe = ({ pid, name, user, ageMs }: Session): string =>
  `pid ${pid} (${[name, user].filter(Boolean).join(', ') || 'unknown'}) for ${formatDuration(ageMs)}`

const endSession = (pid: number): string =>
  `kiln db psql -- -c 'select pg_terminate_backend(${pid})'`

/** What Postgres hides of a session, it gives as null; processes of its own have no user. */
const isUnseen = sql`backend_type is null and usesysid is not null`

/**
 * What a look at the sessions of this database came to that found nothing: `ok`, unless there are some
 * of which this role is shown nothing but that they are there.
 */
async function nothingFound(
  queries: Queries,
  { fact, threshold }: { readonly fact: string; readonly threshold: string },
): Promise<Finding> {
  const { rows } = await sql<{ count: number; role: string }>`
    select count(*)::integer as count, quote_ident(current_user) as role
    from pg_stat_activity
    where ${isUnseen}
      and datname = current_database()
  `.execute(queries)
  const { count = 0, role = '' } = rows[0] ?? {}
  if (count === 0) return ok(fact, threshold)
  return skipped(`no right to look at ${count} sessions of other roles`, {
    threshold,
    mend: `as a superuser: grant pg_read_all_stats to ${role}`,
  })
}

/** What others do on the server, as far as it holds up Kiln. */
export const sessionChecks: readonly Check[] = [
  {
    id: 'postgres.connections',
    group,
    title: 'the server has free connections',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ used: number; most: number }>`
          select count(*)::integer as used,
            current_setting('max_connections')::integer
              - current_setting('superuser_reserved_connections')::integer as most
          from pg_stat_activity
          where backend_type = 'client backend'
            -- Few of them are anything else, and none must be left out.
            or (${isUnseen})
        `.execute(queries)
        const { used = 0, most = 1 } = rows[0] ?? {}
        return judge(
          used / most,
          { warning: 0.8, critical: 0.95 },
          {
            fact: `${used} of ${most} connections are in use`,
            threshold: '80 %',
            mend: 'raise max_connections: kiln config suggest',
          },
        )
      }),
  },
  {
    id: 'postgres.old-snapshots',
    group,
    title: 'no transaction keeps dead rows alive',
    needs: 'database',
    // Every queue on Postgres slows down with the age of the oldest: nothing can be cleared.
    look: ({ ask, snapshotAgeMs }) =>
      ask(async (queries) => {
        const { rows } = await sql<Session>`
          select pid, nullif(application_name, '') as name, usename as user,
            (extract(epoch from clock_timestamp() - xact_start) * 1000)::bigint as age_ms
          from pg_stat_activity
          where backend_xmin is not null
            and pid <> pg_backend_pid()
            and datname = current_database()
            and backend_type = 'client backend'
          order by xact_start
          limit 1
        `.execute(queries)
        const oldest = rows[0]
        const threshold = `older than ${formatDuration(snapshotAgeMs)}`
        if (!oldest || oldest.ageMs < snapshotAgeMs) {
          return nothingFound(queries, { fact: 'no old snapshot', threshold })
        }
        const isBackup = /backup|pg_dump/i.test(oldest.name ?? '')
        return warning(
          `${isBackup ? 'a running backup holds' : 'somebody holds'} a snapshot: ${describe(oldest)}`,
          {
            threshold,
            mend: isBackup ? 'let the backup end' : endSession(oldest.pid),
          },
        )
      }),
  },
  {
    id: 'postgres.idle-transactions',
    group,
    title: 'no session sits idle in a transaction',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<Session>`
          select pid, nullif(application_name, '') as name, usename as user,
            (extract(epoch from clock_timestamp() - state_change) * 1000)::bigint as age_ms
          from pg_stat_activity
          where state like 'idle in transaction%'
            and datname = current_database()
            and state_change < clock_timestamp() - interval '1 minute'
          order by state_change
        `.execute(queries)
        const first = rows[0]
        if (!first) return nothingFound(queries, { fact: 'none', threshold: 'longer than 1 m' })
        return warning(`idle in a transaction: ${rows.slice(0, 3).map(describe).join('; ')}`, {
          threshold: 'longer than 1 m',
          mend: endSession(first.pid),
        })
      }),
  },
  {
    id: 'postgres.blocked',
    group,
    title: 'nobody waits long for a lock',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<Session & { blockers: number[] }>`
          -- Locks are shown to every role, what a session waits for is not.
          select pid, nullif(application_name, '') as name, usename as user,
            (extract(epoch from clock_timestamp() - lock.waitstart) * 1000)::bigint as age_ms,
            pg_blocking_pids(pid) as blockers
          from pg_locks lock
          join pg_stat_activity session using (pid)
          where not lock.granted
            and session.datname = current_database()
            and lock.waitstart < clock_timestamp() - interval '10 seconds'
          order by lock.waitstart
          limit 3
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('none', 'longer than 10 s')
        const fact = `waits for pid ${first.blockers.join(', ')}: ${describe(first)}`
        const rest = { threshold: 'longer than 10 s', mend: endSession(first.blockers[0] ?? 0) }
        return first.ageMs > 120_000 ? critical(fact, rest) : warning(fact, rest)
      }),
  },
]
