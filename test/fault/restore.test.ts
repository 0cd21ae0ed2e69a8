/**
 * A restore that is killed at every state: what is live is that of before or that of the backup, and the
 * next restore succeeds.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { verifyMigrations } from '../../src/core/migrate/index.ts'
import { openDataFolder } from '../../src/core/os/index.ts'
import {
  findRestoreTarget,
  restoreDatabases,
  restoreSet,
  resumeDatabases,
  resumeTables,
  undoDatabases,
  undoRestore,
} from '../../src/core/restore/index.ts'
import { addStoredResult, backUp, openBackup, repositoryPath } from '../support/backup.ts'
import { bundleProcess } from '../support/bundle-process.ts'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { projectFile, readDatabase, writeDatabase } from '../support/project-files.ts'
import { insertAnalysis, insertJob } from '../support/queue.ts'
import { compileCache } from '../support/temporary-folder.ts'

let core: TestContext
let dataDir: string
const pool = () => core.context.database.pool
const titles = async (): Promise<string[]> => {
  const { rows } = await pool().query<{ title: string }>('select title from analyses order by 1')
  return rows.map(({ title }) => title)
}
const schemas = async (): Promise<number> => {
  const { rows } = await pool().query(
    `select from pg_namespace where nspname like 'kiln\\_new%' or nspname like 'kiln\\_older%'`,
  )
  return rows.length
}
const results = (): number =>
  readdirSync(path.join(dataDir, 'results'), { recursive: true }).filter((name) =>
    String(name).endsWith('.gz'),
  ).length

const program = await bundleProcess(path.join(import.meta.dirname, 'restore-process.ts'))

function killedAt(part: 'postgres' | 'duckdb', step: string): void {
  const { signal, stderr } = spawnSync(
    process.execPath,
    [program, core.database.connectionString, dataDir, repositoryPath(core), part, step],
    { encoding: 'utf8', timeout: 120_000, env: { ...process.env, ...compileCache() } },
  )
  expect({ signal, stderr: signal === 'SIGKILL' ? '' : stderr }).toEqual({
    signal: 'SIGKILL',
    stderr: '',
  })
}

beforeAll(async () => {
  core = await openTestContext()
  dataDir = core.context.settings.dataDir
  const id = await insertAnalysis(pool(), undefined, { title: 'saved' })
  await insertJob(pool(), id, { status: 'completed' })
  await addStoredResult(core, id)
  const folder = await openDataFolder(dataDir)
  await pool().query(`insert into projects (id, home_folder) values ('one', $1), ('two', $1)`, [
    folder.id,
  ])
  for (const project of ['one', 'two']) {
    await writeDatabase(projectFile(dataDir, project), `create table t as select 'saved' as x`)
  }
  await backUp(core, { parts: ['postgres', 'duckdb'] })
  await pool().query(`delete from analyses`)
  await insertAnalysis(pool(), undefined, { title: 'live' })
})
afterAll(() => core.close())

describe('tables, killed at', () => {
  const steps = ['staging', 'loaded', 'settled', 'indexed', 'staged', 'exchanged', 'done'] as const
  it.each(steps)(
    '%s: live is that of before until the commit, and rolls back to it',
    async (step) => {
      killedAt('postgres', step)
      expect(await titles()).toEqual([step === 'done' ? 'saved' : 'live'])
      const target = await findRestoreTarget(core.context, undefined)
      expect(await undoRestore(core.context, target)).toMatchObject({
        outcome: step === 'done' ? 'undone' : 'unfinished',
      })
      expect(await titles()).toEqual(['live'])
      expect(await schemas()).toBe(0)
      expect(results()).toBe(1)
    },
  )

  it.each(['loaded', 'staged'] as const)('%s: resumes, and the next one tidies', async (step) => {
    killedAt('postgres', step)
    const target = await findRestoreTarget(core.context, undefined)
    const resumed = await resumeTables(core.context, target)
    expect(resumed.kind).toBe(step === 'loaded' ? 'again' : 'finished')
    if (step === 'loaded') {
      const set = await openBackup(core)
      await restoreSet(core.context, { set, target, releases: false })
    }
    expect(await titles()).toEqual(['saved'])
    expect(await schemas()).toBe(0)
    expect((await verifyMigrations(core.context)).findings).toEqual([])
    await undoRestore(core.context, target)
    expect(await titles()).toEqual(['live'])
  })
})

describe('project databases, killed at', () => {
  const contents = () =>
    Promise.all(
      ['one', 'two'].map(async (project) => {
        const file = projectFile(dataDir, project)
        return existsSync(file) ? (await readDatabase(file, 'from t')).flat()[0] : 'none'
      }),
    )
  beforeEach(async () => {
    for (const project of ['one', 'two']) {
      await writeDatabase(
        projectFile(dataDir, project),
        `create or replace table t as select 'live' as x`,
      )
    }
    // The slots of the one that was killed are void after a while; nobody waits for that here.
    await pool().query('delete from analysis_database_holds')
  })
  afterEach(() => pool().query('delete from analysis_database_holds'))

  it.each(['files-staged', 'files-checked', 'file-moved', 'files-moved'] as const)(
    '%s: rolls back to that of before',
    async (step) => {
      killedAt('duckdb', step)
      await pool().query('delete from analysis_database_holds')
      const isMixed = step === 'file-moved'
      expect(existsSync(path.join(dataDir, 'restore', 'moving'))).toBe(isMixed)
      await undoDatabases(core.context, { waitMs: 0 })
      expect(await contents()).toEqual(['live', 'live'])
      expect(readdirSync(path.join(dataDir, 'restore'))).toEqual([])
    },
  )

  it('file-moved: resumes to that of the backup', async () => {
    killedAt('duckdb', 'file-moved')
    await pool().query('delete from analysis_database_holds')
    expect(await resumeDatabases(core.context, { waitMs: 0 })).toMatchObject({
      outcome: 'finished',
    })
    expect(await contents()).toEqual(['saved', 'saved'])
    expect(existsSync(path.join(dataDir, 'restore', 'moving'))).toBe(false)
    await undoDatabases(core.context, { waitMs: 0 })
    expect(await contents()).toEqual(['live', 'live'])
  })

  it('file-moved: the next restore undoes it first, and succeeds', async () => {
    killedAt('duckdb', 'file-moved')
    await pool().query('delete from analysis_database_holds')
    const set = await openBackup(core)
    await restoreDatabases(core.context, { source: { kind: 'set', set }, waitMs: 0 })
    expect(await contents()).toEqual(['saved', 'saved'])
    await undoDatabases(core.context, { waitMs: 0 })
    expect(await contents()).toEqual(['live', 'live'])
  })
})
