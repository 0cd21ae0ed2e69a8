import { CompiledQuery } from 'kysely'
import pg from 'pg'
import type { Queries } from './database.ts'

/** A statement that is sent often: each connection parses and plans it once. */
export interface PreparedStatement {
  readonly text: string
}

/** Names by text; Postgres knows a statement by its name within one connection. */
const names = new Map<string, string>()

/**
 * Declares a statement as one to prepare. Its columns are named as the caller wants them
 * (`as "jobId"`): nothing renames them on the way.
 */
export function prepare(name: string, text: string): PreparedStatement {
  names.set(text, name)
  return { text }
}

/** Runs a prepared statement, also inside a transaction; rows come as Postgres names them. */
export async function runPrepared<Row>(
  queries: Queries,
  statement: PreparedStatement,
  values: readonly unknown[],
): Promise<Row[]> {
  const { rows } = await queries
    .withoutPlugins()
    .executeQuery<Row>(CompiledQuery.raw(statement.text, [...values]))
  return rows
}

/**
 * What a transaction pooler answers that hands each statement to any server connection: the name is
 * not known there, or taken.
 */
const poolerCodes = new Set(['26000', '42P05'])

/** False once a pooler was met: from then on every statement is sent whole. */
let mayPrepare = true

/** A client that sends the declared statements by name. */
export class PreparingClient extends pg.Client {
  // The overloads of the driver stay as they are for callers.
  override query = ((...parameters: unknown[]): unknown => {
    const [first, values, callback] = parameters
    const given = typeof first === 'string' ? { text: first, values } : first
    if (!mayPrepare || callback !== undefined || !isWhole(given)) return this.send(...parameters)
    const name = names.get(given.text)
    if (name === undefined) return this.send(...parameters)
    const sent = this.send({ ...given, name }) as Promise<unknown>
    return sent.catch((error: unknown) => {
      if (!(error instanceof pg.DatabaseError) || !poolerCodes.has(error.code ?? '')) throw error
      mayPrepare = false
      return this.send(given)
    })
  }) as pg.Client['query']

  private send(...parameters: unknown[]): unknown {
    return (super.query as (...given: unknown[]) => unknown).apply(this, parameters)
  }
}

/** A statement as text with values, and not a cursor or the like. */
function isWhole(query: unknown): query is { readonly text: string } {
  return typeof query === 'object' && query !== null && 'text' in query && !('submit' in query)
}
