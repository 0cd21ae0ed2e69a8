import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { confinerKinds, findConfiner } from '../../../src/core/confine/index.ts'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type DuckdbProcess,
  DuckdbSpare,
  startDuckdbProcess,
} from '../../../src/core/duckdb/index.ts'
import {
  makeFolder,
  never,
  processOptions,
  queryRows,
  removeFolder,
  withDuckdb,
} from '../../support/duckdb.ts'
import { waitUntil } from '../../support/wait-until.ts'

let sources: string
let folder: string
let duckdb: DuckdbProcess

beforeAll(async () => {
  sources = makeFolder()
  folder = makeFolder()
  const warehouse = path.join(sources, 'warehouse.duckdb')
  const instance = await DuckDBInstance.create(warehouse)
  const connection = await instance.connect()
  await connection.run(
    "create table orders as select i as id, 'order ' || i as note from range(5) t(i)",
  )
  connection.closeSync()
  instance.closeSync()
  writeFileSync(path.join(folder, 'one.csv'), 'city,people\nBern,134000\n')
  writeFileSync(path.join(folder, 'two.csv'), 'city,people\nBasel,173000\n')
  writeFileSync(path.join(folder, 'lines.jsonl'), '{"a":1}\n{"a":2}\n')
  duckdb = await startDuckdbProcess(
    processOptions(folder, {
      attach: [{ name: 'warehouse', path: warehouse }],
      views: [
        {
          name: 'cities',
          format: 'csv',
          files: [path.join(folder, 'one.csv'), path.join(folder, 'two.csv')],
        },
        { name: 'odd "name"', format: 'jsonl', files: [path.join(folder, 'lines.jsonl')] },
      ],
    }),
  )
})

afterAll(async () => {
  await duckdb.stop()
  removeFolder(folder)
  removeFolder(sources)
})

describe('a DuckDB process', () => {
  it('keeps what a script makes for its next call', async () => {
    expect(await duckdb.exec('create temp table t (a int)', [], never)).toEqual({ rowCount: 0 })
    expect(await duckdb.exec('insert into t values (1), (2)', [], never)).toEqual({ rowCount: 2 })
    expect(await duckdb.exec('update t set a = a + ?', [1], never)).toEqual({ rowCount: 2 })
    expect(await queryRows(duckdb, 'select a from t order by a')).toEqual([{ a: 2 }, { a: 3 }])
  })

  it('binds parameters of every JSON kind', async () => {
    const params = ['text', 1, 1.5, 2 ** 40, true, null, [1, 2], ['a', null], { a: [1] }]
    const marks = params.map((_, index) => `$${index + 1} as p${index}`).join(', ')
    const [row = {}] = await queryRows(duckdb, `select ${marks}`, params)
    expect(Object.values(row)).toEqual([...params.slice(0, -1), '{"a":[1]}'])
  })

  it('compares parameters with columns of other types as text would be', async () => {
    await duckdb.exec(
      "create table typed as select date '2024-01-02' as d, '7' as s, 5::bigint as b, 1.5::decimal(9,2) as n",
      [],
      never,
    )
    const sql = 'select 1 as found from typed where d = ? and s = ? and b = ? and n = ?'
    expect(await queryRows(duckdb, sql, ['2024-01-02', 7, 5, 1.5])).toEqual([{ found: 1 }])
  })

  it('refuses a wrong number of parameters and lists of mixed kinds', async () => {
    await expect(duckdb.query('select ?', [], {}, never)).rejects.toThrow(
      'the statement has 1 parameters, 0 were given',
    )
    await expect(duckdb.query('select ?', [[1, 'a']], {}, never)).rejects.toThrow('mixed kinds')
  })

  it('reads attached databases and views over files', async () => {
    expect(await queryRows(duckdb, 'select count(*) as n from warehouse.orders')).toEqual([
      { n: 5 },
    ])
    const inCatalog = { catalog: 'warehouse' }
    expect(await queryRows(duckdb, 'select max(id) as n from orders', [], inCatalog)).toEqual([
      { n: 4 },
    ])
    expect(await queryRows(duckdb, 'select sum(people) as n from cities')).toEqual([{ n: 307000 }])
    expect(await queryRows(duckdb, 'select sum(a) as n from "odd ""name"""')).toEqual([{ n: 3 }])
  })

  it('loads a query over an attached database or a view into a table', async () => {
    const loaded = { sql: 'select id from orders where id > ?;', params: [1], table: 'picked' }
    expect(await duckdb.loadQuery({ ...loaded, catalog: 'warehouse' }, never)).toEqual({
      rowCount: 3,
    })
    expect(await queryRows(duckdb, 'select sum(id) as n from picked')).toEqual([{ n: 9 }])
    const fromView = { sql: 'from cities', params: [], table: 'main.towns' }
    expect(await duckdb.loadQuery(fromView, never)).toEqual({ rowCount: 2 })
    await expect(
      duckdb.loadQuery({ sql: 'select 1) union (select 2', params: [], table: 'x' }, never),
    ).rejects.toThrow('syntax error')
    await expect(
      duckdb.loadQuery({ sql: 'drop table picked', params: [], table: 'x' }, never),
    ).rejects.toThrow()
    expect(await queryRows(duckdb, 'select count(*) as n from picked')).toEqual([{ n: 3 }])
  })

  it('cannot write to an attached database', async () => {
    for (const sql of [
      'insert into warehouse.orders values (9, null)',
      'drop table warehouse.orders',
    ]) {
      await expect(duckdb.exec(sql, [], never)).rejects.toThrow('read-only')
    }
  })

  it('lists and describes tables', async () => {
    const names = (await duckdb.tables(never)).map((table) => `${table.database}.${table.name}`)
    expect(names).toEqual(expect.arrayContaining(['warehouse.orders', 'memory.cities']))
    expect(await duckdb.describe('warehouse.orders', never)).toEqual([
      { name: 'id', type: 'BIGINT', isNullable: true },
      { name: 'note', type: 'VARCHAR', isNullable: true },
    ])
    expect(await duckdb.describe('"odd ""name"""', never)).toHaveLength(1)
    await expect(duckdb.describe('a"; drop', never)).rejects.toThrow('not a table name')
  })

  it.each(['csv', 'json', 'jsonl', 'parquet'])('exports a table as %s', async (extension) => {
    const file = `out.${extension}`
    const exported = await duckdb.exportTable('warehouse.orders', file, never)
    expect(exported).toMatchObject({ rowCount: 5, path: path.join(folder, file) })
    expect(exported.sizeBytes).toBe(statSync(exported.path).size)
    if (extension === 'csv') expect(readFileSync(exported.path, 'utf8')).toContain('3,order 3')
  })

  it.each(['../out.csv', '/tmp/out.csv', 'out.txt', '.csv', 'a/b.csv', 'one.csv'])(
    'does not export to %s',
    async (file) => {
      await expect(duckdb.exportTable('cities', file, never)).rejects.toMatchObject({
        code: 'DATASOURCE_ERROR',
      })
    },
  )

  it('exports no more than a job may, and leaves no half of a file', async () => {
    await withDuckdb(
      async (own, ownFolder) => {
        await own.exec('create view endless as select i from range(1000000000000) t(i)', [], never)
        await own.exec('create view many as select i from range(100000) t(i)', [], never)
        const refusal = { message: 'the files that a job exports have at most 1 MB together' }
        await expect(own.exportTable('endless', 'a.csv', never)).rejects.toMatchObject(refusal)
        expect(existsSync(path.join(ownFolder, 'a.csv'))).toBe(false)
        const { sizeBytes } = await own.exportTable('many', 'a.csv', never)
        expect(sizeBytes).toBeGreaterThan(512 * 1024)
        await expect(own.exportTable('many', 'b.csv', never)).rejects.toMatchObject(refusal)
        expect(existsSync(path.join(ownFolder, 'b.csv'))).toBe(false)
        expect(await queryRows(own, "select count(*) as n from read_csv('a.csv')")).toEqual([
          { n: 100_000 },
        ])
      },
      { maxExportBytes: 1024 ** 2 },
    )
  })

  it('streams rows in batches, several streams and queries at a time', async () => {
    const options = { batchSize: 3000 }
    const stream = await duckdb.stream('select i from range(7000) t(i)', [], options, never)
    const other = await duckdb.stream('select 1 as one', [], { batchSize: 1 }, never)
    const sizes: number[] = []
    let total = 0
    for (let text = await stream.next(never); text !== null; text = await stream.next(never)) {
      const rows = JSON.parse(text) as { i: number }[]
      sizes.push(rows.length)
      total += rows.reduce((sum, { i }) => sum + i, 0)
      expect(await queryRows(duckdb, 'select 2 as two')).toEqual([{ two: 2 }])
    }
    expect(sizes).toEqual([3000, 3000, 1000])
    expect(total).toBe((6999 * 7000) / 2)
    expect(await other.next(never)).toBe('[{"one":1}]')
    await stream.close()
    await other.close()
    await other.close()
  })

  it('stops a long query when its signal is aborted, and goes on working', async () => {
    const stop = new AbortController()
    const query = duckdb.query(
      'select count(*) from range(100000000) a, range(100000) b',
      [],
      {},
      stop.signal,
    )
    const waiting = duckdb.query('select 1 as a', [], {}, never)
    setImmediate(() => stop.abort(new Error('enough')))
    await expect(query).rejects.toThrow('enough')
    expect(await waiting).toBe('[{"a":1}]')
  })

  it('lets no later call meet a cancellation, whenever it came', async () => {
    for (let turns = 0; turns < 100; turns += 1) {
      const stop = new AbortController()
      const query = duckdb.query('select 1 as a', [], {}, stop.signal).catch(() => undefined)
      for (let turn = 0; turn < turns / 4; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      stop.abort(new Error('enough'))
      await query
      expect(await queryRows(duckdb, 'select 1 as a')).toEqual([{ a: 1 }])
    }
  })

  it('rejects at once under a signal that is aborted already', async () => {
    await expect(
      duckdb.query('select 1', [], {}, AbortSignal.abort(new Error('no'))),
    ).rejects.toThrow('no')
  })
})

describe('the life of a DuckDB process', () => {
  it('reports its death to the calls that wait, and to later ones', async () => {
    await withDuckdb(async (process) => {
      const query = process.query('select count(*) from range(100000000000)', [], {}, never)
      globalThis.process.kill(process.pid, 'SIGKILL')
      const death = {
        code: 'DATASOURCE_ERROR',
        message: expect.stringContaining('SIGKILL') as string,
      }
      await expect(query).rejects.toMatchObject(death)
      await expect(process.exec('select 1', [], never)).rejects.toMatchObject(death)
    })
  })

  it('is gone when stop has resolved', async () => {
    const pid = await withDuckdb((process) => Promise.resolve(process.pid))
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('is killed when an interrupt has no effect', async () => {
    await withDuckdb(async (process) => {
      const stop = new AbortController()
      // Minutes inside one scalar call, which looks at no interrupt.
      const sql = "select levenshtein(repeat('ab', 50000), repeat('ba', 50000))"
      const query = process.query(sql, [], {}, stop.signal)
      await untilBusy(process.pid)
      stop.abort(new Error('enough'))
      await expect(query).rejects.toThrow('enough')
      await expect(process.exec('select 1', [], never)).rejects.toThrow('SIGKILL')
    })
  })

  it('reports a database that cannot be attached, without its path', async () => {
    const folder = makeFolder()
    const attach = [{ name: 'gone', path: path.join(folder, 'gone.duckdb') }]
    await expect(startDuckdbProcess(processOptions(folder, { attach }))).rejects.toMatchObject({
      code: 'DATASOURCE_ERROR',
      message: expect.not.stringContaining(folder) as string,
    })
    removeFolder(folder)
  })

  it('keeps a spare for the next job, and ends it', async () => {
    const first = makeFolder()
    const options = processOptions(first)
    const spare = new DuckdbSpare(options)
    const taken = await spare.take(options)
    const other = await spare.take({ ...options, memoryLimitBytes: 512 * 1024 ** 2 })
    expect(await queryRows(taken, 'select 1 as a')).toEqual([{ a: 1 }])
    expect(await queryRows(other, "select current_setting('memory_limit') as m")).toEqual([
      { m: '512.0 MiB' },
    ])
    await spare.stop()
    await expect(taken.exec('select 1', [], never)).resolves.toBeDefined()
    await taken.stop()
    await other.stop()
    removeFolder(first)
  })

  // In a view of its own the allocator must find what it looks for, or it gets past the limit.
  it.each([undefined, ...confinerKinds])(
    'fails cleanly, in a view by %s, where a statement wants more memory than there is',
    async (kind) => {
      const confiner = kind && (await findConfiner(kind))
      if (kind && !confiner) return
      await withDuckdb(
        async (process) => {
          for (const sql of [
            "select repeat('x', 2000000000)",
            'select len(range(200000000))',
            'select list(i) from range(100000000) t(i)',
          ]) {
            await expect(process.query(sql, [], {}, never), sql).rejects.toMatchObject({
              code: 'DATASOURCE_ERROR',
              message: expect.stringMatching(/memory|allocat/i) as string,
            })
          }
          expect(await queryRows(process, 'select 1 as a')).toEqual([{ a: 1 }])
          expect(process.peakMemoryBytes()).toBeGreaterThan(0)
          expect(process.peakMemoryBytes()).toBeLessThan(1024 ** 3)
        },
        confiner ? { confiner } : {},
      )
    },
  )

  it('spills to its own folder and leaves nothing else there', async () => {
    await withDuckdb(
      async (process, folder) => {
        const sql =
          'select count(*) as n from (select i, md5(i::text) as m from range(3000000) t(i) order by m)'
        expect(await queryRows(process, sql)).toEqual([{ n: 3000000 }])
        expect(existsSync(folder)).toBe(true)
      },
      { memoryLimitBytes: 128 * 1024 ** 2 },
    )
  })
})

/** Waits until the process has used CPU time for its query. */
async function untilBusy(pid: number): Promise<void> {
  const ticks = (): number => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11])
  }
  const before = ticks()
  await waitUntil('the process works', () => ticks() >= before + 20)
}
