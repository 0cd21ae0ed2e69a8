/** Backups that are cut short: nothing half made counts, and the next one works. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import path from 'node:path'
import type { PoolClient } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  createBackup,
  listBackups,
  lockRepository,
  openRepository,
  pruneBackups,
  verifyBackup,
} from '../../src/core/backup/index.ts'
import type { Context } from '../../src/core/context.ts'
import { openDatabase } from '../../src/core/database/index.ts'
import { backUp, repositoryPath } from '../support/backup.ts'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { descendantsOf, survivors } from '../support/descendants.ts'
import { startKiln } from '../support/kiln.ts'
import { startOwnPostgres } from '../support/own-postgres.ts'
import { startPostgresProxy } from '../support/postgres-proxy.ts'
import { insertAnalysis } from '../support/queue.ts'
import { hasPgDump } from '../support/restores.ts'
import { waitUntil } from '../support/wait-until.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())

const filesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder, { recursive: true }) as string[]
  } catch {
    return []
  }
}

/** All that is listed is sound; returns how many sets there are. */
async function soundSets(): Promise<number> {
  const repository = await openRepository(repositoryPath(test))
  const listed = await listBackups(repository)
  for (const { id } of listed) {
    const input = { repository: repository.path, set: id, level: 'full' } as const
    expect((await verifyBackup(test.context, input)).findings).toEqual([])
  }
  return listed.length
}

async function liveRows(): Promise<unknown> {
  const { rows } = await test.context.database.pool.query(
    `select (select count(*) from analysis_jobs) as jobs, (select count(*) from analyses) as analyses,
       (select md5(string_agg(v::text, '')) from analysis_versions v) as versions`,
  )
  return rows
}

it('that are killed anywhere leave no set, no reader, and nothing in the way of the next', async () => {
  const { pool } = test.context.database
  const before = await liveRows()
  await backUp(test)
  const temporary = path.join(repositoryPath(test), 'tmp')
  for (let point = 0; point < 20; point += 1) {
    const kiln = startKiln(['backup', 'create', '--repo', repositoryPath(test)], {
      env: {
        DATABASE_URL: test.database.connectionString,
        ANALYSIS_DATA_DIR: test.context.settings.dataDir,
      },
    })
    let hasEnded = false
    void kiln.exited.then(() => (hasEnded = true))
    // Once so many files and folders are there: after the tables come results, databases, settings.
    await waitUntil('it has come so far', () => hasEnded || filesIn(temporary).length > point)
    kiln.kill('SIGKILL')
    await kiln.exited
  }
  const sets = await soundSets()
  await waitUntil('no reader is left', async () => {
    const { rows } = await pool.query(
      `select from pg_stat_activity
       where datname = current_database() and application_name like 'kiln backup%'`,
    )
    return rows.length === 0
  })
  expect((await backUp(test)).manifest.status).toBe('complete')
  expect(filesIn(temporary)).toEqual([])
  expect(await soundSets()).toBe(sets + 1)
  expect(await liveRows()).toEqual(before)
})

let killed: number | undefined

function killOnce(pid: number | undefined): void {
  if (pid === undefined || killed === pid) return
  killed = pid
  const backends = descendantsOf(pid)
  process.kill(pid, 'SIGKILL')
  // They would work on for a moment, and the backup is a short one.
  for (const backend of survivors(backends)) process.kill(backend, 'SIGKILL')
}

describe('of a server', () => {
  it('that falls silent end with that, after the limit', async () => {
    const proxy = await startPostgresProxy(test.database.connectionString)
    const database = openDatabase({
      target: {
        config: { connectionString: proxy.connectionString },
        label: 'the silent server',
        isPrivate: false,
      },
      applicationName: 'kiln test (silent)',
      poolSize: 2,
    })
    try {
      const context: Context = { ...test.context, database }
      await expect(
        createBackup(context, {
          repository: repositoryPath(test),
          parts: ['postgres'],
          silenceLimitMs: 500,
          onProgress: () => proxy.freeze(),
        }),
      ).rejects.toMatchObject({
        code: 'DATABASE_CONNECTION_FAILED',
        exitCode: 69,
        message: 'connection failed: the silent server has sent nothing for 0.5 s',
      })
    } finally {
      await proxy.close()
      await database.close()
    }
    expect(filesIn(path.join(repositoryPath(test), 'tmp'))).toEqual([])
    expect((await backUp(test)).manifest.status).toBe('complete')
  })

  it('that is killed end with that, and work when it is back', async () => {
    const postgres = await startOwnPostgres()
    const database = openDatabase({
      target: {
        config: { connectionString: postgres.connectionString },
        label: 'the killed server',
        isPrivate: false,
      },
      applicationName: 'kiln test (killed)',
      poolSize: 2,
    })
    try {
      const context: Context = { ...test.context, database }
      const repository = path.join(test.folder.path, 'killed-server')
      const create = (onProgress?: () => void) =>
        createBackup(context, { repository, parts: ['postgres'], onProgress })
      const { rows } = await postgres.pool.query<{ pid: number }>(
        `select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::integer as pid`,
      )
      // At once, not when a promise comes to it: the backup is a short one.
      await expect(create(() => killOnce(rows[0]?.pid))).rejects.toMatchObject({
        code: 'DATABASE_CONNECTION_FAILED',
        exitCode: 69,
      })
      await waitUntil('Postgres is back', () =>
        postgres.start().then(
          () => true,
          () => false,
        ),
      )
      expect(filesIn(path.join(repository, 'tmp'))).toEqual([])
      expect((await create()).manifest.status).toBe('complete')
    } finally {
      await database.close()
      await postgres.close()
    }
  })
})

describe.runIf(hasPgDump)('of a whole database', () => {
  const dumpOf = (context: Context, more: object) =>
    createBackup(context, {
      repository: repositoryPath(test),
      parts: ['postgres'],
      profile: 'full',
      ...more,
    })

  const hold = async (locker: PoolClient): Promise<void> => {
    await locker.query('create table held (x integer)')
    await locker.query('begin')
    await locker.query('lock table held in access exclusive mode')
  }

  it('end when the server falls silent, though pg_dump would wait', async () => {
    const proxy = await startPostgresProxy(test.database.connectionString)
    const target = {
      // The proxy knows nothing of TLS, which pg_dump would ask for.
      config: { connectionString: `${proxy.connectionString}?sslmode=disable` },
      label: 'the silent server',
      isPrivate: false,
    }
    const database = openDatabase({ target, applicationName: 'kiln test (silent)', poolSize: 2 })
    const locker = await test.context.database.pool.connect()
    try {
      await hold(locker)
      const making = dumpOf(
        { ...test.context, database },
        { silenceLimitMs: 1000, lockTimeoutMs: 120_000 },
      )
      const failure = expect(making).rejects.toMatchObject({
        code: 'DATABASE_CONNECTION_FAILED',
        exitCode: 69,
        message: expect.stringContaining('the silent server') as string,
      })
      await waitUntil('pg_dump waits', async () => {
        const { rows } = await test.context.database.pool.query(
          `select from pg_stat_activity
           where application_name like '%pg_dump%' and wait_event_type = 'Lock'`,
        )
        return rows.length > 0
      })
      proxy.freeze()
      await failure
    } finally {
      await locker.query('rollback')
      await locker.query('drop table held')
      locker.release()
      await proxy.close()
      await database.close()
    }
    expect(filesIn(path.join(repositoryPath(test), 'tmp'))).toEqual([])
  })

  it('tell a table that somebody holds as what may be tried again', async () => {
    const locker = await test.context.database.pool.connect()
    try {
      await hold(locker)
      await expect(dumpOf(test.context, { lockTimeoutMs: 100 })).rejects.toMatchObject({
        code: 'LOCK_TIMEOUT',
        exitCode: 75,
      })
    } finally {
      await locker.query('rollback')
      await locker.query('drop table held')
      locker.release()
    }
  })

  it.skipIf(process.getuid?.() !== 0)('tell a full disk as one', async () => {
    const repository = path.join(test.folder.path, 'small-dump')
    mkdirSync(repository)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', repository])
    const { pool } = test.context.database
    try {
      await pool.query(
        `create table large as select md5(random()::text) as x from generate_series(1, 100000)`,
      )
      await expect(dumpOf(test.context, { repository })).rejects.toMatchObject({
        code: 'DISK_FULL',
        exitCode: 73,
      })
      expect(filesIn(path.join(repository, 'tmp'))).toEqual([])
    } finally {
      execFileSync('umount', [repository])
      await pool.query('drop table large')
    }
    expect((await dumpOf(test.context, {})).manifest.postgres?.dump?.objects).not.toEqual([])
  })
})

describe.skipIf(process.getuid?.() !== 0)('on a disk that is full', () => {
  it('end with that, leave nothing, and work when there is room', async () => {
    const repository = path.join(test.folder.path, 'small')
    mkdirSync(repository)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', repository])
    try {
      await test.context.database.pool.query(
        `insert into analysis_jobs (analysis_id, status, error_message)
         select $1, 'failed', string_agg(md5(random()::text), '')
         from generate_series(1, 200) job, generate_series(1, 1000)
         group by job`,
        [analysisId],
      )
      await expect(backUp(test, { repository })).rejects.toMatchObject({
        code: 'DISK_FULL',
        exitCode: 73,
      })
      expect(await listBackups(await openRepository(repository))).toEqual([])
      expect(filesIn(path.join(repository, 'tmp'))).toEqual([])
      execFileSync('mount', ['-o', 'remount,size=64m', repository])
      expect((await backUp(test, { repository })).manifest.status).toBe('complete')
    } finally {
      execFileSync('umount', [repository])
      await test.context.database.pool.query('truncate analysis_jobs cascade')
    }
  })
})

describe('pruning', () => {
  it('waits its turn while a backup is made', async () => {
    const repository = await openRepository(repositoryPath(test))
    const lock = await lockRepository(repository, { purpose: 'kiln backup create', waitMs: 0 })
    await expect(
      pruneBackups(test.context, { repository: repository.path, rules: { keepLast: 1 } }),
    ).rejects.toMatchObject({ code: 'BACKUP_REPOSITORY_BUSY', exitCode: 75 })
    await lock.release()
    const pruned = await pruneBackups(test.context, {
      repository: repositoryPath(test),
      rules: { keepLast: 1 },
    })
    const kept = pruned.sets.filter(({ isKept }) => isKept)
    expect(kept.every(({ reasons }) => reasons.includes('the newest good one'))).toBe(true)
    expect(await soundSets()).toBe(kept.length)
  })
})
