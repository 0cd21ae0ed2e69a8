import { type Database, openDatabase } from '../../src/core/database/index.ts'

export interface LosingDatabase extends Database {
  /** Statements whose reply never came. */
  readonly lost: readonly string[]
}

/**
 * A database that does every statement, and whose reply is lost to each one that `isLost` is true of:
 * what a client sees of a server that goes away at that moment.
 */
export function openLosingDatabase(
  connectionString: string,
  isLost: (text: string, lost: readonly string[]) => boolean,
): LosingDatabase {
  const lost: string[] = []
  const database = openDatabase({
    target: { config: { connectionString }, label: 'the losing database', isPrivate: false },
    applicationName: 'kiln test',
    poolSize: 5,
  })
  database.pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...input: unknown[]) => Promise<unknown>
    const losing = async (...input: unknown[]): Promise<unknown> => {
      const [first] = input as [string | { readonly text: string }]
      const text = typeof first === 'string' ? first : first.text
      const result = await query(...input)
      if (!isLost(text, lost)) return result
      lost.push(text)
      throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    }
    Object.assign(client, { query: losing })
  })
  return { ...database, lost }
}
