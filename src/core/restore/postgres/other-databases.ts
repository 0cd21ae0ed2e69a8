import type { QueryResult, QueryResultRow } from 'pg'
import { type ConnectionTarget, databaseError } from '../../database/index.ts'
import { KilnError } from '../../errors/index.ts'
import { literal, openRestoreSession, quoted } from './session.ts'

/** Makes an empty database on the server. */
export async function createDatabase(
  server: ConnectionTarget,
  name: string,
  /** One that another command has made meanwhile will do. */
  { mayExist }: { readonly mayExist: boolean },
): Promise<void> {
  // template0 has nothing of an operator in it.
  const sql = `create database ${quoted(name)} template template0 encoding 'UTF8'`
  await run(server, sql).catch((error: unknown) => {
    if (!mayExist || !(error instanceof KilnError) || error.details?.sqlstate !== '42P04')
      throw error
  })
}

const unfinished = 'made by kiln restore, which has not finished it'

/** Says of a database that a restore is filling it. If we die, the next one knows that it is ours. */
export async function markUnfinished(server: ConnectionTarget, name: string): Promise<void> {
  await run(server, `comment on database ${quoted(name)} is ${literal(unfinished)}`)
}

export async function markFinished(server: ConnectionTarget, name: string): Promise<void> {
  await run(server, `comment on database ${quoted(name)} is null`)
}

/** `leftover`: a restore that was killed has made it; `filling`: one is at it, or pg_restore still is. */
export async function stateOfDatabase(
  server: ConnectionTarget,
  name: string,
): Promise<'leftover' | 'filling' | 'other'> {
  const { rows } = await run<{ mark: string | null; sessions: number }>(
    server,
    `select shobj_description(d.oid, 'pg_database') as mark,
       (select count(*)::integer from pg_stat_activity where datid = d.oid) as sessions
     from pg_database d
     where d.datname = $1`,
    [name],
  )
  const [found] = rows
  if (found?.mark !== unfinished) return 'other'
  return found.sessions === 0 ? 'leftover' : 'filling'
}

/** Names of databases that nobody is connected to. */
export async function listIdleDatabases(
  server: ConnectionTarget,
  pattern: string,
): Promise<readonly string[]> {
  const { rows } = await run<{ name: string }>(
    server,
    `select d.datname as name
     from pg_database d
     where d.datname like $1
       and not exists (select from pg_stat_activity where datid = d.oid)`,
    [pattern],
  )
  return rows.map(({ name }) => name)
}

/** Ends who is connected to it. Safe to repeat. */
export async function dropDatabase(server: ConnectionTarget, name: string): Promise<void> {
  await run(server, `drop database if exists ${quoted(name)} with (force)`)
}

async function run<Row extends QueryResultRow>(
  server: ConnectionTarget,
  sql: string,
  values: readonly unknown[] = [],
): Promise<QueryResult<Row>> {
  // It may take its time, so that the server is watched meanwhile. An interrupt does not end it: what was
  // made is dropped after one too.
  const session = await openRestoreSession(server, new AbortController().signal)
  try {
    return await session.query<Row>(sql, values)
  } catch (error) {
    throw databaseError(error, server.label)
  } finally {
    await session.close()
  }
}
