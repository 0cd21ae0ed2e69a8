import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Context } from '../context.ts'
import { errorCodeOf } from '../errors/index.ts'

const databaseName = 'kiln_examples'
const readerName = 'kiln_examples_reader'

/** Privileges that a managed server may not give; the example is left out then. */
const notAllowed = new Set(['42501', '0A000'])

type PostgresContext = Pick<Context, 'database'>

/**
 * A database with the example flights beside Kiln's own, and a role that may only read it. Returns
 * the URL of that role, or undefined when this account may not create databases or roles. Safe to
 * repeat: the flights are loaded once, the password is new each time.
 */
export async function createExamplePostgres(
  { database }: PostgresContext,
  flightsFile: string,
): Promise<string | undefined> {
  const { config } = database.target
  const password = randomBytes(16).toString('hex')
  try {
    await ensure(database.pool, `create database ${databaseName}`, '42P04')
    await ensure(database.pool, `create role ${readerName} login`, '42710')
    await database.pool.query(`alter role ${readerName} password '${password}'`)
    await limitTempFiles(database.pool)
  } catch (error) {
    if (notAllowed.has(errorCodeOf(error) ?? '')) return undefined
    throw error
  }
  const client = new pg.Client(withDatabase(config))
  await client.connect()
  try {
    await loadFlights(client, flightsFile)
    return readerUrl(client, password)
  } finally {
    await client.end()
  }
}

/** Of the scripts that a reader of the examples tries; not every server lets its administrator. */
async function limitTempFiles(pool: pg.Pool): Promise<void> {
  try {
    await pool.query(`alter role ${readerName} set temp_file_limit = '1GB'`)
  } catch (error) {
    if (!notAllowed.has(errorCodeOf(error) ?? '')) throw error
  }
}

/** Runs a statement that has no `if not exists`; `exists` is the error that says it is there. */
async function ensure(pool: pg.Pool, statement: string, exists: string): Promise<void> {
  try {
    await pool.query(statement)
  } catch (error) {
    if (errorCodeOf(error) !== exists) throw error
  }
}

async function loadFlights(client: pg.Client, file: string): Promise<void> {
  const { rows } = await client.query<{ isThere: boolean }>(
    `select to_regclass('public.flights') is not null as "isThere"`,
  )
  if (rows[0]?.isThere) return
  // One transaction: a quickstart that dies here leaves no half table.
  await client.query('begin')
  await client.query(`
    create table flights (
      date timestamp not null,
      delay integer not null,
      distance integer not null,
      origin text not null,
      destination text not null
    )`)
  await pipeline(
    createReadStream(file),
    createGunzip(),
    client.query(copyFrom('copy flights from stdin (format csv, header)')),
  )
  await client.query(`grant select on flights to ${readerName}`)
  await client.query('commit')
  await client.query('analyze flights')
}

function withDatabase(config: pg.ClientConfig): pg.ClientConfig {
  if (config.connectionString === undefined) return { ...config, database: databaseName }
  const url = new URL(config.connectionString)
  url.pathname = `/${databaseName}`
  return { connectionString: url.href }
}

/** Where the client is connected to, as the reader. */
function readerUrl(client: pg.Client, password: string): string {
  if (client.host.startsWith('/')) {
    const host = encodeURIComponent(client.host)
    return `postgresql://${readerName}:${password}@/${databaseName}?host=${host}&port=${client.port}`
  }
  return `postgresql://${readerName}:${password}@${client.host}:${client.port}/${databaseName}`
}
