/** Databases of projects in a set. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fingerprintDatabase, readObject, verifyObjects } from '../../../src/core/backup/index.ts'
import { holdDatabase } from '../../../src/core/jobs/index.ts'
import { type DataFolder, openDataFolder, projectDatabasePath } from '../../../src/core/os/index.ts'
import { backUp, openBackup } from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let test: TestContext
let folder: DataFolder
beforeAll(async () => {
  test = await openTestContext()
  folder = await openDataFolder(test.context.settings.dataDir)
  await addDatabase('shop')
  await addDatabase('Strange Name')
})
afterAll(() => test.close())

/** A project whose home is here, with a database that has a log beside it. */
async function addDatabase(projectId: string): Promise<string> {
  const { pool } = test.context.database
  await pool.query(
    `insert into projects (id, home_folder) values ($1, $2)
     on conflict (id) do update set home_folder = excluded.home_folder`,
    [projectId, folder.id],
  )
  const file = projectDatabasePath(folder, projectId)
  mkdirSync(path.dirname(file), { recursive: true })
  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  await connection.run(`create table sales as
    select range as id, 'row ' || range as note, case when range % 3 = 0 then null else '' end as maybe
    from range(10000)`)
  await connection.run('checkpoint')
  await connection.run('pragma disable_checkpoint_on_shutdown')
  // Stays in the log.
  await connection.run(`insert into sales values (-1, 'in the log', null)`)
  connection.closeSync()
  instance.closeSync()
  return file
}

const databases = { parts: ['duckdb'] } as const

describe('a backup of databases', () => {
  it('has each file and its log, with the rows and fingerprint of each table', async () => {
    expect(existsSync(`${projectDatabasePath(folder, 'shop')}.wal`)).toBe(true)
    const { id, manifest } = await backUp(test, databases)
    expect(manifest.status).toBe('complete')
    expect(manifest.duckdb.map(({ projectId }) => projectId)).toEqual(['Strange Name', 'shop'])
    expect(manifest.dataFolders).toEqual([folder.id])
    for (const { projectId, homeFolder, log, tables } of manifest.duckdb) {
      expect(homeFolder).toBe(folder.id)
      expect(log).not.toBeNull()
      const live = await fingerprintDatabase(test.context, folder, projectId)
      expect(tables).toEqual(live.tables)
      expect(tables).toMatchObject([{ schema: 'main', name: 'sales', rows: 10_001 }])
    }
    const set = await openBackup(test, id)
    expect(await verifyObjects(set, { level: 'full' })).toEqual([])
    const shop = manifest.duckdb.find(({ projectId }) => projectId === 'shop')
    const pieces: Buffer[] = []
    for await (const piece of readObject(set, shop!.file)) pieces.push(piece)
    const original = readFileSync(projectDatabasePath(folder, 'shop'))
    expect(Buffer.concat(pieces).equals(original)).toBe(true)
  })

  it('is partial while a job writes, and says which database is not in it', async () => {
    const hold = await holdDatabase(test.context, {
      projectId: 'shop',
      use: 'write',
      purpose: 'a job that writes',
      waitMs: 0,
    })
    try {
      const { manifest } = await backUp(test, { ...databases, databaseWaitMs: 50 })
      expect(manifest.status).toBe('partial')
      expect(manifest.duckdb.map(({ projectId }) => projectId)).toEqual(['Strange Name'])
      expect(manifest.problems).toMatchObject([{ part: 'duckdb', name: 'shop' }])
      expect(manifest.problems[0]?.reason).toContain('a job that writes')
      const waiting = backUp(test, { ...databases, databaseWaitMs: 30_000 })
      await hold.release()
      expect((await waiting).manifest.status).toBe('complete')
    } finally {
      await hold.release()
    }
  })

  it('does not copy a file that a program without a slot has open', async () => {
    const instance = await DuckDBInstance.create(projectDatabasePath(folder, 'shop'))
    try {
      const { manifest } = await backUp(test, databases)
      expect(manifest.status).toBe('partial')
      expect(manifest.problems[0]?.reason).toMatch(/lock/i)
    } finally {
      instance.closeSync()
    }
    expect((await backUp(test, databases)).manifest.status).toBe('complete')
  })

  it('leaves out what does not open as a database, and what is elsewhere', async () => {
    const { pool } = test.context.database
    await pool.query(`insert into projects (id, home_folder) values ('far', 'another-folder')`)
    const broken = await addDatabase('broken')
    rmSync(`${broken}.wal`)
    const bytes = readFileSync(broken)
    const { writeFileSync } = await import('node:fs')
    writeFileSync(broken, bytes.fill(7, 0, 4096))
    const { manifest } = await backUp(test, databases)
    expect(manifest.status).toBe('partial')
    expect(manifest.problems.map(({ name }) => name)).toEqual(['far', 'broken'])
    expect(manifest.problems[0]?.reason).toBe('it is in the data folder another-folder')
    await pool.query(`delete from projects where id in ('far', 'broken')`)
  })

  it('encrypts them', async () => {
    const { id } = await backUp(test, { ...databases, passphrase: 'secret' })
    const set = await openBackup(test, id, 'secret')
    for (const { file } of set.manifest.duckdb) {
      let bytes = 0
      for await (const piece of readObject(set, file)) bytes += piece.length
      expect(bytes).toBe(file.plainBytes)
    }
  })
})
