import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type PostgresDatasource,
  openPostgresDatasource,
} from '../../../src/core/datasources/postgres/index.ts'
import { type TestDatabase, createTestDatabase } from '../../support/database.ts'
import { never } from '../../support/duckdb.ts'
import { datasourceRows, openTestDatasource } from '../../support/postgres-datasource.ts'
import { query } from '../../support/test-server.ts'
import { waitUntil } from '../../support/wait-until.ts'

let database: TestDatabase
let datasource: PostgresDatasource

beforeAll(async () => {
  database = await createTestDatabase({ migrated: false })
  await query(
    database.connectionString,
    'create table numbers as select i from generate_series(1, 10) i',
  )
  datasource = openTestDatasource(database.connectionString)
})

afterAll(async () => {
  await datasource.close()
  await database.drop()
})

async function backends(state = 'active'): Promise<number> {
  const { rows } = await query(
    database.connectionString,
    `select count(*)::int as n from pg_stat_activity
     where application_name = 'kiln test datasource' and datname = current_database()
       and state = '${state}'`,
  )
  return (rows[0] as { n: number }).n
}

describe('a Postgres datasource', () => {
  it('runs every call in a read-only transaction of its own', async () => {
    const [row] = await datasourceRows(
      datasource,
      `select current_setting('transaction_read_only') as ro,
         current_setting('statement_timeout') as timeout, current_setting('TimeZone') as zone`,
    )
    expect(row).toEqual({ ro: 'on', timeout: '30s', zone: 'UTC' })
  })

  it('lets nothing a statement set reach the next call', async () => {
    await datasourceRows(datasource, "select set_config('TimeZone', 'Asia/Tokyo', false) as a")
    await datasourceRows(datasource, "select set_config('statement_timeout', '0', false) as a")
    await datasourceRows(datasource, "select set_config('search_path', 'nowhere', false) as a")
    const [row] = await datasourceRows(
      datasource,
      `select current_setting('TimeZone') as zone, current_setting('statement_timeout') as timeout,
         count(*) as n from numbers`,
    )
    expect(row).toEqual({ zone: 'UTC', timeout: '30s', n: 10 })
  })

  it('stops a statement at its timeout and goes on', async () => {
    const short = openTestDatasource(database.connectionString, 200)
    await expect(short.query('select pg_sleep(30)', [], {}, never)).rejects.toMatchObject({
      code: 'DATASOURCE_ERROR',
      message: 'database error: the query ran longer than 200 ms and was cancelled',
    })
    expect(await datasourceRows(short, 'select 1 as a')).toEqual([{ a: 1 }])
    await short.close()
  })

  it('cancels on the server what is aborted', async () => {
    const stop = new AbortController()
    const sleeping = datasource.query('select pg_sleep(30)', [], {}, stop.signal)
    await waitUntil('the query runs', async () => (await backends()) === 1)
    stop.abort(new Error('enough'))
    await expect(sleeping).rejects.toThrow('enough')
    await waitUntil('the query is gone', async () => (await backends()) === 0)
    expect(await datasourceRows(datasource, 'select 1 as a')).toEqual([{ a: 1 }])
  })

  it('lets no later call meet a cancellation, whenever it came', async () => {
    for (let turns = 0; turns < 150; turns += 1) {
      const stop = new AbortController()
      const query = datasource.query('select 1 as a', [], {}, stop.signal).catch(() => undefined)
      for (let turn = 0; turn < turns / 4; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      stop.abort(new Error('enough'))
      await query
      expect(await datasourceRows(datasource, 'select 1 as a')).toEqual([{ a: 1 }])
    }
  })

  it('reports a connection that breaks, and connects anew for the next call', async () => {
    const sleeping = datasource.query('select pg_sleep(30)', [], {}, never)
    const broken = expect(sleeping).rejects.toMatchObject({
      message: expect.stringMatching(/connection failed|terminating connection/) as string,
    })
    await waitUntil('the query runs', async () => (await backends()) === 1)
    await query(
      database.connectionString,
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'kiln test datasource' and datname = current_database()`,
    )
    await broken
    expect(await datasourceRows(datasource, 'select 1 as a')).toEqual([{ a: 1 }])
  })

  it('answers several calls at a time', async () => {
    const answers = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        datasourceRows(datasource, 'select $1::int4 as n, pg_sleep(0.05) as s', [n]),
      ),
    )
    expect(answers.map(([row]) => row?.['n'])).toEqual([1, 2, 3, 4])
  })

  it('streams rows in batches, made when they are asked for', async () => {
    const options = { batchSize: 4 }
    const stream = await datasource.stream('select i from numbers order by i', [], options, never)
    expect(await stream.next(never)).toBe('[{"i":1},{"i":2},{"i":3},{"i":4}]')
    expect(await datasourceRows(datasource, 'select 1 as a')).toEqual([{ a: 1 }])
    expect(await stream.next(never)).toBe('[{"i":5},{"i":6},{"i":7},{"i":8}]')
    expect(await stream.next(never)).toBe('[{"i":9},{"i":10}]')
    expect(await stream.next(never)).toBeNull()
    expect(await stream.next(never)).toBeNull()
    await stream.close()
  })

  it('ends a stream that is closed early, aborted or fails, with its transaction', async () => {
    const endless =
      'select i from numbers, pg_sleep(0) cross join generate_series(1, 1000) order by 1'
    const closed = await datasource.stream(endless, [], { batchSize: 2 }, never)
    await closed.next(never)
    await closed.close()
    const stop = new AbortController()
    const slow = await datasource.stream('select pg_sleep(30)', [], { batchSize: 1 }, never)
    const aborted = expect(slow.next(stop.signal)).rejects.toThrow('enough')
    await waitUntil('the query runs', async () => (await backends()) === 1)
    stop.abort(new Error('enough'))
    await aborted
    const failing = await datasource.stream(
      'select 1 / (i - 2) from numbers',
      [],
      { batchSize: 1 },
      never,
    )
    await expect(failing.next(never).then(() => failing.next(never))).rejects.toThrow(
      'division by zero',
    )
    await waitUntil(
      'no transaction is left',
      async () => (await backends('idle in transaction')) === 0,
    )
  })

  it('ends the connection at a value that is too large, before it is received', async () => {
    const before = process.memoryUsage().rss
    await expect(
      datasource.query("select repeat('x', 250000000)", [], {}, never),
    ).rejects.toMatchObject({
      code: 'DATASOURCE_ERROR',
      message: expect.stringMatching(/a row of \d+ MB is larger than the limit of 48 MB/) as string,
    })
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 ** 2)
    expect(await datasourceRows(datasource, 'select 1 as a')).toEqual([{ a: 1 }])
  })

  it('is of no use after close', async () => {
    const other = openTestDatasource(database.connectionString)
    await datasourceRows(other, 'select 1 as a')
    await other.close()
    await other.close()
    await expect(other.query('select 1', [], {}, never)).rejects.toThrow('is closed')
  })
})

describe('a Postgres datasource that cannot be reached', () => {
  const unreachable: readonly (readonly [string, string])[] = [
    ['a port nobody listens on', 'postgresql://someone:hunter2@127.0.0.1:1/x'],
    ['a host that does not exist', 'postgresql://someone:hunter2@no-such-host.invalid/x'],
    ['a socket that does not exist', 'postgresql://someone:hunter2@/x?host=/nowhere'],
  ]
  it.each(unreachable)('says so for %s, without the password', async (_, connection) => {
    const away = openTestDatasource(connection)
    await expect(away.query('select 1', [], {}, never)).rejects.toMatchObject({
      code: 'DATASOURCE_UNAVAILABLE',
      message: expect.stringMatching(
        /^connection failed: datasource "test": (?!.*hunter2)/,
      ) as string,
    })
    await away.close()
  })

  it('says so for a database that does not exist', async () => {
    const away = openTestDatasource(database.connectionString.replace(database.name, 'no_such_db'))
    await expect(away.query('select 1', [], {}, never)).rejects.toMatchObject({
      code: 'DATASOURCE_UNAVAILABLE',
      message: expect.stringContaining('database "no_such_db" does not exist') as string,
    })
    await away.close()
  })

  it('refuses a URL that is none without quoting it', async () => {
    const options = { label: 'datasource "test"', statementTimeoutMs: 1, applicationName: 'x' }
    const odd = openPostgresDatasource({ ...options, connection: 'postgresql://a:hunter2@[bad' })
    await expect(odd.query('select 1', [], {}, never)).rejects.toMatchObject({
      message: expect.not.stringContaining('hunter2') as string,
    })
  })
})
