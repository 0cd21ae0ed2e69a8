import { CompiledQuery } from 'kysely'
import pg from 'pg'
import { systemClock } from '../os/index.ts'
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

/** Sends a statement over a connection of a pool. */
export type Send = (
  text: string,
  values: readonly unknown[],
) => Promise<{ readonly rows: unknown[] }>

/** The short way of queries that are no transaction. */
const shortWays = new WeakMap<Queries, Send>()

/** Prepared statements of these queries go this way: there is nothing in them for Kysely to build. */
export function setShortWay(queries: Queries, send: Send): void {
  shortWays.set(queries, send)
}

/** Runs a prepared statement, also inside a transaction; rows come as Postgres names them. */
export async function runPrepared<Row>(
  queries: Queries,
  statement: PreparedStatement,
  values: readonly unknown[],
): Promise<Row[]> {
  const send = shortWays.get(queries)
  if (send) return (await send(statement.text, values)).rows as Row[]
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

/**
 * A kept statement that takes so much longer for each row than at best, and this long at all, may
 * have a plan from when its tables were small. Others are slow for a while on a server that is busy.
 */
const slowFactor = 4
const slowMs = 10

/** Planning anew costs about a millisecond. */
const shortestReplanMs = 1000

/**
 * What is slow with a new plan too is so for another reason, as on a machine that is busy: each time
 * waits twice as long as the one before, or an idle service would ask once a second more.
 */
const longestReplanMs = 8000

/**
 * A client that sends the declared statements by name. Postgres soon keeps one plan for each, which
 * may be one that reads a whole table: it was made while the table was empty, and nothing has analyzed
 * it since. So a statement that has become slow makes the connection drop the plans it keeps. Planning
 * each call would be safe too, but costs a third of a claim.
 */
export class PreparingClient extends pg.Client {
  /** For each row of the result, and one more. */
  private readonly fastestMs = new Map<string, number>()
  private replannedAt = Number.NEGATIVE_INFINITY
  private replanAfterMs = shortestReplanMs

  // The overloads of the driver stay as they are for callers.
  override query = ((...parameters: unknown[]): unknown => {
    const [first, values, callback] = parameters
    const given = typeof first === 'string' ? { text: first, values } : first
    if (!mayPrepare || callback !== undefined || !isWhole(given)) return this.send(...parameters)
    const name = names.get(given.text)
    if (name === undefined) return this.send(...parameters)
    const sentAt = systemClock.monotonic()
    const sent = this.send({ ...given, name }) as Promise<unknown>
    return sent.then(
      async (result) => {
        const { rows } = result as { readonly rows?: readonly unknown[] }
        if (this.isSlow(name, sentAt, rows?.length ?? 0)) await this.dropPlans(given)
        return result
      },
      (error: unknown) => {
        if (!(error instanceof pg.DatabaseError) || !poolerCodes.has(error.code ?? '')) throw error
        mayPrepare = false
        return this.send(given)
      },
    )
  }) as pg.Client['query']

  private isSlow(name: string, sentAt: number, rowCount: number): boolean {
    const now = systemClock.monotonic()
    const tookMs = now - sentAt
    // Five hundred jobs may take longer than one.
    const perRowMs = tookMs / (rowCount + 1)
    const fastestMs = Math.min(perRowMs, this.fastestMs.get(name) ?? Infinity)
    this.fastestMs.set(name, fastestMs)
    return (
      tookMs > slowMs &&
      perRowMs > slowFactor * fastestMs &&
      now - this.replannedAt > this.replanAfterMs
    )
  }

  /** Under the same limit of time as the statement. */
  private async dropPlans(given: object): Promise<void> {
    const now = systemClock.monotonic()
    const hasHelped = now - this.replannedAt > 2 * longestReplanMs
    this.replanAfterMs = hasHelped
      ? shortestReplanMs
      : Math.min(2 * this.replanAfterMs, longestReplanMs)
    this.replannedAt = now
    try {
      await this.send({ ...given, text: 'discard plans', values: [] })
    } catch {
      // The statement itself has succeeded; whatever is wrong with the connection, the next will tell.
    }
  }

  private send(...parameters: unknown[]): unknown {
    return (super.query as (...given: unknown[]) => unknown).apply(this, parameters)
  }
}

/** A statement as text with values, and not a cursor or the like. */
function isWhole(query: unknown): query is { readonly text: string } {
  return typeof query === 'object' && query !== null && 'text' in query && !('submit' in query)
}
