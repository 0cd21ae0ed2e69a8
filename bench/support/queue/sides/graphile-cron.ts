/**
 * The cron of graphile-worker: one statement for all items of a minute. Its workers know no task of
 * the jobs' name, so that these are made and not run.
 */
import { Logger, type Runner, makeWorkerUtils, parseCronItems, run } from 'graphile-worker'
import pg from 'pg'
import { offer, options } from '../offer.ts'

const { url } = options<{ readonly url: string }>()

const pool = new pg.Pool({ connectionString: url, max: 4 })
pool.on('error', (error) => console.error(error))
pool.on('connect', (client) => client.on('error', (error) => console.error(error)))
const logger = new Logger(() => () => undefined)
const utils = await makeWorkerUtils({ pgPool: pool, logger })
let runner: Runner | undefined

const identifiers = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `item-${index}`)

const start = async (count: number, match: string, backfillPeriod = 0): Promise<void> => {
  runner = await run({
    pgPool: pool,
    logger,
    noHandleSignals: true,
    concurrency: 1,
    taskList: { none: () => undefined },
    parsedCronItems: parseCronItems(
      identifiers(count).map((identifier) => ({
        task: 'job',
        match,
        identifier,
        options: { backfillPeriod },
      })),
    ),
  })
}

const forget = (): Promise<unknown> =>
  pool.query('truncate graphile_worker._private_jobs, graphile_worker._private_known_crontabs')

offer(
  {
    migrate: () => utils.migrate(),

    /** Starts with so many items, all due at the beginning of one minute, UTC. */
    async begin(count: number, dueAtMs: number): Promise<void> {
      const due = new Date(dueAtMs)
      await start(count, `${due.getUTCMinutes()} ${due.getUTCHours()} * * *`)
    },

    /** Starts with items of every minute that ran last so many minutes ago. Returns when. */
    async catchUp(count: number, minutes: number): Promise<number> {
      await pool.query(
        `insert into graphile_worker._private_known_crontabs (identifier, known_since, last_execution)
         select identifier, now() - interval '1 day',
           date_trunc('minute', now()) - make_interval(mins => $2)
         from unnest($1::text[]) identifier`,
        [identifiers(count), minutes],
      )
      const startedAtMs = Date.now()
      // Of so many minutes, without the one of its last run.
      await start(count, '* * * * *', minutes * 60_000)
      return startedAtMs
    },

    async end(): Promise<void> {
      await runner?.stop()
      runner = undefined
      await forget()
    },
  },
  async () => {
    await runner?.stop()
    await utils.release()
    await pool.end()
  },
)
