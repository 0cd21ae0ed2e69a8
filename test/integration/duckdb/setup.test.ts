import { chownSync, statSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DuckDBConnection } from '@duckdb/node-api'
import { openInstance } from '../../../src/core/duckdb/process/setup.ts'
import { startDuckdbProcess } from '../../../src/core/duckdb/index.ts'
import { makeFolder, never, processOptions, queryRows, removeFolder } from '../../support/duckdb.ts'

let folder: string
let connection: DuckDBConnection

/** The instance without the check of statements in front of it: the second wall alone. */
beforeAll(async () => {
  folder = makeFolder()
  const opened = await openInstance({ folder, memoryLimitBytes: 256 * 1024 ** 2, threads: 1 })
  connection = opened.connection
})

afterAll(() => {
  connection.closeSync()
  removeFolder(folder)
})

describe('the set-up of an instance', () => {
  it.each([
    "set memory_limit = '100GB'",
    'set threads = 8',
    'reset memory_limit',
    'pragma threads = 8',
    'set enable_external_access = true',
    'set lock_configuration = false',
    "set allowed_directories = ['/']",
    "set temp_directory = '/tmp'",
    'set autoload_known_extensions = true',
    "select * from read_text('/etc/passwd')",
    "copy (select 1) to '/tmp/kiln-was-here'",
    "attach '/tmp/kiln-was-here.duckdb' as other",
    'install httpfs',
    'load httpfs',
  ])('makes DuckDB itself refuse: %s', async (sql) => {
    await expect(connection.run(sql)).rejects.toThrow(
      /configuration has been locked|disabled (?:by|through) configuration|Cannot (?:enable|change)/,
    )
  })

  it('tells the time in UTC, whatever the zone of the machine', async () => {
    const result = await connection.run("select current_setting('TimeZone') as zone")
    expect(await result.getRowsJson()).toEqual([['UTC']])
  })
})

describe('a DuckDB process as root', () => {
  it.skipIf(process.getuid?.() !== 0 || process.platform !== 'linux')(
    'runs under an account of its own',
    async () => {
      const uid = 64_321
      const own = makeFolder()
      chownSync(own, uid, uid)
      const options = processOptions(own, { uid })
      const isReadable = statSync(path.dirname(options.entryPath)).mode & 0o005
      if (!isReadable) return
      const duckdb = await startDuckdbProcess(options)
      expect(statSync(`/proc/${duckdb.pid}`).uid).toBe(uid)
      expect(await queryRows(duckdb, 'select 1 as a')).toEqual([{ a: 1 }])
      const exported = await duckdb.exportTable('duckdb_types', 'types.csv', never)
      expect(statSync(exported.path).uid).toBe(uid)
      await duckdb.stop()
      removeFolder(own)
    },
  )
})
