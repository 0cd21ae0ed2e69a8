import { sql } from 'kysely'
import { expectedTables, migrationStatus, verifyMigrations } from '../../../migrate/index.ts'
import { databaseError } from '../../../database/index.ts'
import { messageOf } from '../../../errors/index.ts'
import { systemClock } from '../../../os/index.ts'
import { type Check, critical, judge, ok, skipped, warning } from '../check.ts'

const group = 'postgres'
const leastMajor = 14
/** A round trip; every statement of every job takes one. */
const farMs = 50
/** For the looks at how far it is. */
const enoughMs = 500

/** What the server is, and whether Kiln may use it. */
export const serverChecks: readonly Check[] = [
  {
    id: 'postgres.reachable',
    group,
    title: 'the database answers',
    needs: 'connection',
    look: async (doctor) => {
      try {
        const { pool, target } = doctor.context.database
        await pool.query('select 1')
        // The least of a few tells how far it is; one alone, how busy a machine was at that moment.
        const begunAt = systemClock.monotonic()
        let ms = Infinity
        do {
          const askedAt = systemClock.monotonic()
          await pool.query('select 1')
          ms = Math.min(ms, systemClock.monotonic() - askedAt)
        } while (ms >= farMs && systemClock.monotonic() - begunAt < enoughMs)
        return judge(
          ms,
          { warning: farMs },
          {
            fact: `${target.label} answers within ${ms.toFixed(1)} ms`,
            threshold: `${farMs} ms`,
            mend: 'run services near their database',
          },
        )
      } catch (error) {
        const { code, message, hint } = databaseError(error)
        const mend = hint ?? 'kiln db status'
        // Whoever first needs one makes it: nothing is wrong where nobody has.
        return code === 'PRIVATE_POSTGRES_DOWN'
          ? skipped(message, { mend })
          : critical(message, { mend })
      }
    },
  },
  {
    id: 'postgres.version',
    group,
    title: 'the server is one that Kiln knows',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const number = Number(await setting(queries, 'server_version_num'))
        const fact = `Postgres ${await setting(queries, 'server_version')}`
        const threshold = `${leastMajor} or newer`
        return number >= leastMajor * 10_000
          ? ok(fact, threshold)
          : critical(fact, { threshold, mend: 'upgrade the server' })
      }),
  },
  {
    id: 'postgres.schema',
    group,
    title: 'all migrations of this program are applied, and no others',
    needs: 'database',
    look: async ({ context }) => {
      const report = await migrationStatus(context)
      if (report.error) {
        return critical(report.error.message, { mend: report.error.hint ?? 'kiln migrate verify' })
      }
      return report.hasPending
        ? critical('migrations are pending', { mend: 'kiln migrate' })
        : ok(`${report.migrations.length} migrations applied`)
    },
  },
  {
    id: 'postgres.catalogue',
    group,
    title: 'tables, indexes and triggers are what the migrations made',
    needs: 'database',
    look: async ({ context }) => {
      const { findings, isSchemaCompared } = await verifyMigrations(context)
      if (!isSchemaCompared) return skipped('migrations are pending, or of another program')
      if (findings.length === 0) return ok('nothing is missing or changed')
      const named = findings.slice(0, 5).map(({ message }) => message)
      return critical(named.join('; '), { mend: 'kiln migrate verify' })
    },
  },
  {
    id: 'postgres.writable',
    group,
    title: 'the server takes writes',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ standby: boolean; readOnly: string }>`
          select pg_is_in_recovery() as standby,
            (select reset_val from pg_settings where name = 'default_transaction_read_only')
              as read_only
        `.execute(queries)
        const mend = 'use the primary in DATABASE_URL'
        if (rows[0]?.standby) return critical('the server is a standby', { mend })
        return rows[0]?.readOnly === 'on'
          ? critical('transactions are read only by default', { mend })
          : ok('it is a primary')
      }),
  },
  {
    id: 'postgres.privileges',
    group,
    title: 'this role may do all that Kiln does',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const { rows } = await sql<{ name: string; lacks: string; schema: string; role: string }>`
          select relation.relname as name,
            string_agg(privilege, ', ') as lacks,
            relation.relnamespace::regnamespace::text as schema,
            quote_ident(current_user) as role
          from pg_class relation
          cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
          where relation.oid in (
              select to_regclass(name)
              from unnest(${[...expectedTables()]}::text[]) name
            )
            and not has_table_privilege(relation.oid, privilege)
          group by relation.relname, relation.relnamespace
          order by relation.relname
        `.execute(queries)
        const first = rows[0]
        if (!first) return ok('it reads and writes all tables')
        const facts = rows.map(({ name, lacks }) => `${name}: ${lacks}`)
        return critical(`missing privileges: ${facts.join('; ')}`, {
          mend: `as the owner of the tables: grant select, insert, update, delete on all tables in schema ${first.schema} to ${first.role}`,
        })
      }),
  },
  {
    id: 'postgres.durability',
    group,
    title: 'a commit survives a power cut',
    needs: 'database',
    look: ({ ask }) =>
      ask(async (queries) => {
        const off = []
        for (const name of ['fsync', 'full_page_writes', 'synchronous_commit']) {
          if ((await setting(queries, name)) === 'off') off.push(name)
        }
        if (off.length === 0) return ok('fsync, full_page_writes and synchronous_commit are on')
        const fact = `off: ${off.join(', ')}`
        const mend = off.map((name) => `alter system set ${name} = on;`).join(' ')
        return off.includes('fsync') ? critical(fact, { mend }) : warning(fact, { mend })
      }),
  },
  {
    id: 'postgres.clock',
    group,
    title: 'the clocks of this machine and of the database agree',
    needs: 'database',
    look: async ({ context }) => {
      const before = systemClock.now()
      const { rows } = await context.database.pool.query<{ now: number }>(
        'select extract(epoch from clock_timestamp())::float8 * 1000 as now',
      )
      const after = systemClock.now()
      const skew = Math.abs((rows[0]?.now ?? 0) - (before + after) / 2)
      return judge(
        skew,
        { warning: 2000, critical: 60_000 },
        {
          fact: `they differ by ${(skew / 1000).toFixed(1)} s`,
          threshold: '2 s',
          mend: 'let both follow a time server: timedatectl set-ntp true',
        },
      )
    },
  },
  {
    id: 'postgres.notifications',
    group,
    title: 'notifications arrive, so that jobs are picked up at once',
    needs: 'database',
    look: async ({ context }) => {
      const client = await context.database.pool.connect()
      try {
        const channel = `kiln_doctor_${process.pid}`
        const came = new Promise<boolean>((resolve) => {
          client.once('notification', () => resolve(true))
          setTimeout(() => resolve(false), 1000).unref()
        })
        await client.query(`listen ${channel}`)
        await context.database.pool.query(`notify ${channel}`)
        const hasCome = await came
        await client.query(`unlisten ${channel}`)
        return hasCome
          ? ok('a notification arrived')
          : warning('a notification did not arrive within 1 s: jobs are found by polling', {
              mend: 'connect past the transaction pooler, or set it to session mode',
            })
      } catch (error) {
        return skipped(`cannot listen: ${messageOf(error)}`)
      } finally {
        client.release(true)
      }
    },
  },
]

async function setting(
  queries: Parameters<Parameters<Parameters<Check['look']>[0]['ask']>[0]>[0],
  name: string,
): Promise<string> {
  const { rows } = await sql<{ value: string }>`
    select current_setting(${name}) as value
  `.execute(queries)
  return rows[0]?.value ?? ''
}
