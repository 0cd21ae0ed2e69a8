import { sql } from 'kysely'
import { type Check, critical, judge, ok, skipped, warning } from '../check.ts'

const group = 'postgres'

/** How well the server copes with what is asked of it. */
export const loadChecks: readonly Check[] = [
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
