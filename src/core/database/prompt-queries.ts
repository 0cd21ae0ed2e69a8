import { CamelCasePlugin, Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely'
import type pg from 'pg'
import { systemClock } from '../os/index.ts'
import type { Database, Queries } from './database.ts'
import { isConnectionLost } from './database-errors.ts'
import { setShortWay } from './prepared-statement.ts'
import type { DB } from './schema.generated.ts'

/**
 * Statements over the same pool that fail as a lost connection when no answer comes within
 * `limitMs`. For what a service does all the time: when a server vanishes from the net without a
 * word, as in a failover, the kernel would wait for a quarter of an hour. The server may have done
 * such a statement all the same, as with every reply that is lost.
 */
export function promptQueries({ pool }: Pick<Database, 'pool'>, limitMs: number): Queries {
  const answers = answersOf(pool)
  const connect = async (): Promise<PostgresPoolClient> => {
    const client = await answers.connect()
    let lost: Error | undefined
    const query = async (text: string, values: readonly unknown[]) => {
      const askedAt = systemClock.monotonic()
      try {
        const config = { text, values: [...values], query_timeout: limitMs }
        const result = await client.query(config)
        answers.came(client)
        return result
      } catch (error) {
        if (isConnectionLost(error)) lost = error as Error
        if (systemClock.monotonic() - askedAt >= limitMs) answers.stayedAway()
        throw error
      }
    }
    return {
      // Kysely calls it otherwise only for cursors, which are not set up here.
      query: query as unknown as PostgresPoolClient['query'],
      release: () => client.release(lost),
    }
  }
  // The pool is its owner's to end.
  const borrowed = { options: pool.options, connect, end: () => Promise.resolve() }
  const queries = new Kysely<DB>({
    dialect: new PostgresDialect({ pool: borrowed }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  })
  setShortWay(queries, async (text, values) => {
    const client = await connect()
    try {
      return await client.query(text, values)
    } finally {
      client.release()
    }
  })
  return queries
}

/** The same database with such statements, for work that has connections of its own for long ones. */
export function promptDatabase<Given extends Database>(database: Given, limitMs: number): Given {
  return { ...database, queries: promptQueries(database, limitMs) }
}

/** When the connections of a pool were last known to be well. */
class Answers {
  private readonly pool: pg.Pool
  private readonly wellAt = new WeakMap<pg.ClientBase, number>()
  private missedAt = Number.NEGATIVE_INFINITY

  constructor(pool: pg.Pool) {
    this.pool = pool
    pool.on('connect', (client) => this.came(client))
  }

  came(client: pg.ClientBase): void {
    this.wellAt.set(client, systemClock.monotonic())
  }

  /** An answer that stays away makes every older connection suspect: each would cost its own wait. */
  stayedAway(): void {
    this.missedAt = systemClock.monotonic()
  }

  async connect(): Promise<pg.PoolClient> {
    for (;;) {
      const client = await this.pool.connect()
      if ((this.wellAt.get(client) ?? 0) > this.missedAt) return client
      client.release(true)
    }
  }
}

const known = new WeakMap<pg.Pool, Answers>()

function answersOf(pool: pg.Pool): Answers {
  const answers = known.get(pool) ?? new Answers(pool)
  known.set(pool, answers)
  return answers
}
