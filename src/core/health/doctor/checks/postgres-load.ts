import { sql } from 'kysely'
import { formatDuration } from '../../../units/index.ts'
import { type Check, critical, judge, ok, skipped, warning } from '../check.ts'

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

/** What others do on the server, as far as it holds up Kiln. */
export const loadChecks: readonly Check[] = [
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
        if (!oldest || oldest.ageMs < snapshotAgeMs) return ok('no old snapshot', threshold)
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
        if (!first) return ok('none', 'longer than 1 m')
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
          select pid, nullif(application_name, '') as name, usename as user,
            (extract(epoch from clock_timestamp() - state_change) * 1000)::bigint as age_ms,
            pg_blocking_pids(pid) as blockers
          from pg_stat_activity
          where wait_event_type = 'Lock'
            and datname = current_database()
            and state_change < clock_timestamp() - interval '10 seconds'
          order by state_change
          limit 3
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('none', 'longer than 10 s')
        const fact = `waits for pid ${first.blockers.join(', ')}: ${describe(first)}`
        const rest = { threshold: 'longer than 10 s', mend: endSession(first.blockers[0] ?? 0) }
        return first.ageMs > 120_000 ? critical(fact, rest) : warning(fact, rest)
      }),
  },
  {
    id: 'postgres.dead-rows',
    group,
    title: 'vacuum keeps up with the tables',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ name: string; dead: number; live: number }>`
          select relname as name, n_dead_tup as dead, n_live_tup as live
          from pg_stat_user_tables
          where relname like 'analysis%'
            and n_dead_tup > 10000
            and n_dead_tup > 0.2 * n_live_tup
          order by n_dead_tup desc
        `.execute(queries)
        const worst = rows[0]
        if (!worst) return ok('few dead rows', '10,000 and a fifth of a table')
        return warning(`${worst.name} has ${worst.dead} dead rows beside ${worst.live}`, {
          threshold: '10,000 and a fifth of a table',
          mend: `kiln db psql -- -c 'vacuum analyze ${worst.name}'`,
        })
      }),
  },
  {
    id: 'postgres.autovacuum',
    group,
    title: 'autovacuum is on',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ vacuum: string; counts: string }>`
          select current_setting('autovacuum') as vacuum, current_setting('track_counts') as counts
        `.execute(queries)
        const isOn = rows[0]?.vacuum === 'on' && rows[0].counts === 'on'
        return isOn
          ? ok('on')
          : critical('autovacuum is off: the queue will slow down with every job', {
              mend: "kiln db psql -- -c 'alter system set autovacuum = on' -c 'alter system set track_counts = on' -c 'select pg_reload_conf()'",
            })
      }),
  },
  {
    id: 'postgres.cache',
    group,
    title: 'what is read is mostly in memory',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ hits: number; reads: number }>`
          select blks_hit as hits, blks_read as reads
          from pg_stat_database
          where datname = current_database()
        `.execute(queries)
        const { hits = 0, reads = 0 } = rows[0] ?? {}
        if (hits + reads < 100_000) return skipped('too few reads to tell')
        const percent = (100 * hits) / (hits + reads)
        return judge(
          100 - percent,
          { warning: 6 },
          {
            fact: `${percent.toFixed(1)} % of blocks were in memory`,
            threshold: '94 %',
            mend: 'raise shared_buffers: kiln config suggest',
          },
        )
      }),
  },
  {
    id: 'postgres.transaction-ids',
    group,
    title: 'transaction ids are far from running out',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ age: number }>`
          select age(datfrozenxid) as age from pg_database where datname = current_database()
        `.execute(queries)
        const age = rows[0]?.age ?? 0
        return judge(
          age,
          { warning: 1_000_000_000, critical: 1_500_000_000 },
          {
            fact: `the oldest is ${(age / 1e6).toFixed(0)} million back`,
            threshold: '1,000 million',
            mend: `kiln db psql -- -c 'vacuum freeze'`,
          },
        )
      }),
  },
  {
    id: 'postgres.invalid-indexes',
    group,
    title: 'no index was left half built',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ name: string }>`
          select indexrelid::regclass::text as name
          from pg_index
          join pg_class relation on relation.oid = indrelid
          where not indisvalid
            and (relation.relname like 'analys%' or relation.relname like 'project%')
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('none')
        return warning(`invalid: ${rows.map(({ name }) => name).join(', ')}`, {
          mend: `kiln db psql -- -c 'reindex index concurrently ${first.name}'`,
        })
      }),
  },
  {
    id: 'postgres.slow-queries',
    group,
    title: 'no frequent statement is slow',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows: found } = await sql<{ place: string; isOld: boolean }>`
          select format('%I.pg_stat_statements', namespace.nspname) as place,
            current_setting('server_version_num')::integer < 130000
              or not exists (
                select
                from pg_attribute
                where attrelid = to_regclass(
                    format('%I.pg_stat_statements', namespace.nspname)
                  )
                  and attname = 'total_exec_time'
              ) as is_old
          from pg_extension extension
          join pg_namespace namespace on namespace.oid = extension.extnamespace
          where extension.extname = 'pg_stat_statements'
        `.execute(queries)
        const extension = found[0]
        if (!extension) {
          return skipped('the extension pg_stat_statements is not installed in this database')
        }
        // Renamed in version 1.8 of the extension, which is Postgres 13's.
        const column = extension.isOld ? 'mean_time' : 'mean_exec_time'
        const { rows } = await sql<{ text: string; calls: number; mean: number }>`
          select left(regexp_replace(query, '\\s+', ' ', 'g'), 80) as text, calls,
            ${sql.raw(column)} as mean
          from ${sql.raw(extension.place)}
          where dbid = (select oid from pg_database where datname = current_database())
            and calls >= 100
            and ${sql.raw(column)} >= 20
          order by calls * ${sql.raw(column)} desc
          limit 1
        `.execute(queries)
        const worst = rows[0]
        if (!worst) return ok('none', '20 ms on average of 100 calls')
        return warning(`${worst.mean.toFixed(0)} ms on average of ${worst.calls}: ${worst.text}`, {
          threshold: '20 ms on average of 100 calls',
          mend: `kiln db psql -- -c 'select * from ${extension.place} order by ${column} desc limit 10'`,
        })
      }),
  },
]
