/**
 * A server that dies or falls silent in the middle of a restore, and disks that are full, here and there:
 * what is live is that of before, and the next restore succeeds.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { create } from 'tar'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createBackup,
  exportBackup,
  openRepository,
  openSet,
  pruneBackups,
  verifyBackup,
} from '../../src/core/backup/index.ts'
import type { Context } from '../../src/core/context.ts'
import { openDatabase } from '../../src/core/database/index.ts'
import { systemBinarySources } from '../../src/core/database/private-postgres/index.ts'
import { KilnError } from '../../src/core/errors/index.ts'
import {
  type RestoreSetInput,
  findRestoreTarget,
  planSet,
  restoreDatabases,
  restoreSet,
  undoRestore,
} from '../../src/core/restore/index.ts'
import { addStoredResult, backUp, openBackup } from '../support/backup.ts'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { type OwnPostgres, startOwnPostgres } from '../support/own-postgres.ts'
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.ts'
import { projectFile, readDatabase, writeDatabase } from '../support/project-files.ts'
import { insertAnalysis, insertJob } from '../support/queue.ts'
import { waitUntil } from '../support/wait-until.ts'

let core: TestContext
const titles = async (context: Context = core.context): Promise<string[]> => {
  const { rows } = await context.database.pool.query<{ title: string }>(
    'select title from analyses order by 1',
  )
  return rows.map(({ title }) => title)
}

beforeAll(async () => {
  core = await openTestContext()
  const { pool } = core.context.database
  const id = await insertAnalysis(pool, undefined, { title: 'saved' })
  await insertJob(pool, id, { status: 'completed' })
  await addStoredResult(core, id, randomBytes(5 * 1024 * 1024))
  await pool.query(`insert into projects (id) values ('one')`)
  await writeDatabase(
    projectFile(core.context.settings.dataDir, 'one'),
    `create table t as select 'saved' as x`,
  )
  await backUp(core, { parts: ['postgres', 'duckdb'] })
  await pool.query('delete from analyses')
  await insertAnalysis(pool, undefined, { title: 'live' })
})
afterAll(() => core.close())

/** The same context, and another way to a database. */
function contextOf(connectionString: string, label: string): Context {
  const target = { config: { connectionString }, label, isPrivate: false }
  const database = openDatabase({ target, applicationName: 'kiln test', poolSize: 3 })
  return { ...core.context, database }
}

async function restore(context: Context, options: Partial<RestoreSetInput> = {}) {
  return restoreSet(context, {
    set: await openBackup(core),
    target: await findRestoreTarget(context, undefined),
    releases: false,
    ...options,
  })
}

/** The system's Postgres where there is one, so that rows go from one build to another and back. */
const system = systemBinarySources()
const sources = system.systemFolders.some((folder) => folder.includes('postgresql'))
  ? system
  : undefined

describe(sources ? `the system's server` : 'a server of its own', () => {
  let server: OwnPostgres
  let context: Context
  beforeAll(async () => {
    server = await startOwnPostgres({}, sources)
    context = contextOf(server.connectionString, 'the other Postgres')
    await insertAnalysis(server.pool, undefined, { title: 'live' })
  })
  afterAll(async () => {
    await context.database.close()
    await server.close()
  })

  it.each(['loaded', 'exchanged'])(
    'that is killed at %s leaves what was live, and the next succeeds',
    async (at) => {
      await expect(
        restore(context, {
          onStep: async (step) => {
            if (step === at) await server.killAndStart()
          },
        }),
      ).rejects.toMatchObject({ code: 'DATABASE_CONNECTION_FAILED', exitCode: 69 })
      expect(await titles(context)).toEqual(['live'])
      await restore(context)
      expect(await titles(context)).toEqual(['saved'])
      await undoRestore(context, await findRestoreTarget(context, undefined))
    },
  )

  it('gives back what it was given', async () => {
    await restore(context)
    const repository = path.join(core.folder.path, 'back')
    const { id } = await createBackup(context, { repository, parts: ['postgres'] })
    const set = await openSet(await openRepository(repository), { name: id })
    const target = await findRestoreTarget(core.context, undefined)
    await restoreSet(core.context, { set, target, releases: false })
    expect(await titles()).toEqual(['saved'])
    await undoRestore(core.context, target)
  })

  it('keeps nothing of a restore that was interrupted', async () => {
    const interrupt = new AbortController()
    const interrupted = { ...context, signal: interrupt.signal }
    await expect(
      restore(interrupted, {
        onProgress: ({ phase }) => {
          if (phase === 'loading') interrupt.abort(new KilnError('INTERRUPTED', 'ended by SIGINT'))
        },
      }),
    ).rejects.toMatchObject({ code: 'INTERRUPTED' })
    const { rows } = await server.pool.query(
      `select from pg_namespace where nspname like 'kiln\\_new%'`,
    )
    expect(rows).toEqual([])
    await restore(context)
  })
})

describe('a network that swallows everything', () => {
  const silenceLimitMs = 1000
  let proxy: PostgresProxy
  let context: Context
  const freezing = async (work: () => Promise<unknown>): Promise<void> => {
    proxy = await startPostgresProxy(core.database.connectionString)
    context = contextOf(proxy.connectionString, 'the silent server')
    try {
      await expect(work()).rejects.toMatchObject({
        code: 'DATABASE_CONNECTION_FAILED',
        exitCode: 69,
      })
    } finally {
      await proxy.close()
      await context.database.close()
    }
    // The server learns it when the proxy ends, and lets go of the locks.
    await waitUntil('no session of it is left', async () => {
      const { rows } = await core.context.database.pool.query(
        `select from pg_stat_activity
         where datname = current_database() and application_name like 'kiln restore%'`,
      )
      return rows.length === 0
    })
  }

  it.each(['staging', 'settled', 'exchanged'])(
    'at %s ends a restore of tables, which changes nothing, and the next succeeds',
    async (at) => {
      await freezing(() =>
        restore(context, {
          silenceLimitMs,
          onStep: (step) => {
            if (step === at) proxy.freeze()
          },
        }),
      )
      expect(await titles()).toEqual(['live'])
      await restore(core.context)
      expect(await titles()).toEqual(['saved'])
      await undoRestore(core.context, await findRestoreTarget(core.context, undefined))
      const { rows } = await core.context.database.pool.query(
        `select from pg_namespace where nspname like 'kiln\\_%'`,
      )
      expect(rows).toEqual([])
    },
  )

  it('ends a restore of project databases, and the next succeeds', async () => {
    const file = projectFile(core.context.settings.dataDir, 'one')
    await writeDatabase(file, `create or replace table t as select 'live' as x`)
    const input = async () => ({
      source: { kind: 'set' as const, set: await openBackup(core) },
      waitMs: 0,
    })
    await freezing(async () =>
      restoreDatabases(context, {
        ...(await input()),
        silenceLimitMs,
        onStep: (step) => {
          if (step === 'files-checked') proxy.freeze()
        },
      }),
    )
    expect(await readDatabase(file, 'from t')).toEqual([['live']])
    expect(readdirSync(path.join(core.context.settings.dataDir, 'restore'))).toEqual([])
    await restoreDatabases(core.context, await input())
    expect(await readDatabase(file, 'from t')).toEqual([['saved']])
  })

  it('ends a backup of project databases, and the next succeeds', async () => {
    const repository = path.join(core.folder.path, 'silent')
    const input = { repository, parts: ['duckdb'] as const }
    await freezing(() =>
      createBackup(context, { ...input, silenceLimitMs, onProgress: () => proxy.freeze() }),
    )
    expect(readdirSync(path.join(repository, 'backups'))).toEqual([])
    const { manifest } = await createBackup(core.context, input)
    expect(manifest.status).toBe('complete')
  })
})

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0

/** Runs `work` in a folder on a small disk of its own, if this machine lets us make one. */
async function onSmallDisk(size: string, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = path.join(core.folder.path, `disk-${size}`)
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=755`, 'tmpfs', folder])
  } catch {
    // A container may make name spaces and yet mount nothing.
    return
  }
  try {
    await work(folder)
  } finally {
    execFileSync('umount', ['-l', folder])
  }
}

describe.runIf(canMount)('a repository that nobody can write', () => {
  it('is verified, carried away and restored from, and refuses what would change it', async () => {
    await onSmallDisk('32m', async (repository) => {
      const { id } = await createBackup(core.context, { repository, parts: ['postgres'] })
      execFileSync('mount', ['-o', 'remount,ro', repository])
      const named = { repository, set: id }
      expect(await verifyBackup(core.context, { ...named, level: 'full' })).toMatchObject({
        isSound: true,
      })
      const file = path.join(core.folder.path, 'carried.tar')
      expect(await exportBackup(core.context, { ...named, file })).toMatchObject({ id })
      const set = await openSet(await openRepository(repository), { name: id })
      await restore(core.context, { set })
      await undoRestore(core.context, await findRestoreTarget(core.context, undefined))
      const refusal = { code: 'PERMISSION_DENIED', exitCode: 77 }
      await expect(
        createBackup(core.context, { repository, parts: ['postgres'] }),
      ).rejects.toMatchObject(refusal)
      await expect(pruneBackups(core.context, { repository })).rejects.toMatchObject(refusal)
    })
  })
})

/** A server whose log finds no room ends itself, before it can tell what a statement met. */
async function moveLog(server: OwnPostgres, folder: string): Promise<void> {
  const { rows } = await server.pool.query<{ path: string }>(
    `select current_setting('data_directory') || '/pg_wal' as path`,
  )
  const [{ path: log } = { path: '' }] = rows
  await server.stop()
  execFileSync('cp', ['-a', log, folder])
  rmSync(log, { recursive: true })
  symlinkSync(folder, log)
  await server.start()
}

describe.runIf(canMount)('a full disk', () => {
  it('of the data folder ends a restore of databases, and leaves what was there', async () => {
    await onSmallDisk('4m', async (folder) => {
      const settings = { ...core.context.settings, dataDir: path.join(folder, 'data') }
      const context = { ...core.context, settings }
      const made = path.join(core.folder.path, 'made')
      const big = path.join(made, 'databases', 'big', 'big.duckdb')
      const random = 'select hash(range) as h, hash(range + 1) as g from range(600000)'
      await writeDatabase(big, `create table t as ${random}`)
      const archive = path.join(core.folder.path, 'big.tar.gz')
      await create({ gzip: true, file: archive, cwd: made }, ['databases'])
      const restoreTar = (file: string) =>
        restoreDatabases(context, { source: { kind: 'archive', file }, waitMs: 0 })
      await expect(restoreTar(archive)).rejects.toMatchObject({ code: 'DISK_FULL', exitCode: 73 })
      expect(existsSync(path.join(settings.dataDir, 'databases', 'big'))).toBe(false)
      expect(readdirSync(path.join(settings.dataDir, 'restore'))).toEqual([])
      const small = path.join(core.folder.path, 'few')
      await writeDatabase(
        path.join(small, 'databases', 'few.duckdb'),
        'create table t as select 1 as x',
      )
      const fits = path.join(core.folder.path, 'few.tar')
      await create({ file: fits, cwd: small }, ['databases'])
      await restoreTar(fits)
      expect(existsSync(projectFile(settings.dataDir, 'few'))).toBe(true)
    })
  })

  it('that cannot take the stored results of a set is told before anything is written', async () => {
    await onSmallDisk('5m', async (folder) => {
      const settings = { ...core.context.settings, dataDir: path.join(folder, 'data') }
      const context = { ...core.context, settings }
      const refusal = {
        code: 'DISK_FULL',
        exitCode: 73,
        message: expect.stringMatching(/has .* free, and the restore needs 5\.5 MB/) as string,
      }
      await expect(restore(context)).rejects.toMatchObject(refusal)
      const set = await openBackup(core)
      const target = await findRestoreTarget(context, undefined)
      await expect(planSet(context, { set, target })).rejects.toMatchObject(refusal)
      expect(existsSync(settings.dataDir)).toBe(false)
      expect(await titles()).toEqual(['live'])
      execFileSync('mount', ['-o', 'remount,size=16m', folder])
      await restore(context)
      expect(await titles()).toEqual(['saved'])
      await undoRestore(core.context, target)
    })
  })

  it('of the server ends a restore of tables, which changes nothing', async () => {
    await onSmallDisk('88m', async (folder) => {
      const server = await startOwnPostgres({ max_wal_size: '32MB' }, undefined, folder)
      await moveLog(server, path.join(folder, '..', 'wal'))
      const context = contextOf(server.connectionString, 'the full server')
      try {
        await insertAnalysis(server.pool, undefined, { title: 'live' })
        const id = await insertAnalysis(core.context.database.pool, undefined, { title: 'large' })
        await core.context.database.pool.query(
          `insert into analysis_jobs (analysis_id, status, error_message)
           select $1, 'failed', string_agg(md5(random()::text), '')
           from generate_series(1, 8000) job, generate_series(1, 200)
           group by job`,
          [id],
        )
        const large = path.join(core.folder.path, 'large')
        await createBackup(core.context, { repository: large, parts: ['postgres'] })
        await core.context.database.pool.query('delete from analyses where id = $1', [id])
        const set = await openSet(await openRepository(large), { name: 'latest' })
        await expect(restore(context, { set })).rejects.toMatchObject({
          code: 'DISK_FULL',
          exitCode: 73,
        })
        expect(await titles(context)).toEqual(['live'])
        execFileSync('mount', ['-o', 'remount,size=500m', folder])
        await restore(context, { set })
        expect(await titles(context)).toContain('large')
        const { rows } = await server.pool.query(
          `select from pg_namespace where nspname like 'kiln\\_new%'`,
        )
        expect(rows).toEqual([])
      } finally {
        await context.database.close()
        await server.close()
      }
    })
  })
})
