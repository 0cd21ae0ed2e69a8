import { CamelCasePlugin, Kysely, PostgresDialect, type PostgresPoolClient } from 'kysely'
import type { Database, Queries } from './database.ts'
import { isConnectionLost } from './database-errors.ts'
import type { DB } from './schema.generated.ts'

/**
 * Statements over the same pool that fail when no answer comes within `limitMs`, each time on a
 * connection that is thrown away then. For what a service repeats every few seconds: when a server
 * vanishes from the net without a word, the kernel would wait for a quarter of an hour. The server
 * may have done such a statement all the same, as with every reply that is lost.
 */
export function promptQueries({ pool }: Pick<Database, 'pool'>, limitMs: number): Queries {
  const connect = async (): Promise<PostgresPoolClient> => {
    const client = await pool.connect()
    let lost: Error | undefined
    const query = async (text: string, values: readonly unknown[]) => {
      try {
        const config = { text, values: [...values], query_timeout: limitMs }
        return await client.query(config)
      } catch (error) {
        if (isConnectionLost(error)) lost = error as Error
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
  return new Kysely<DB>({
    dialect: new PostgresDialect({ pool: borrowed }),
    plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
  })
}
