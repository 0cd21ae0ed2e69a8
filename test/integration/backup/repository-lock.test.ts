import { spawnSync } from 'node:child_process'
import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Repository,
  ensureRepository,
  lockRepository,
} from '../../../src/core/backup/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
let repository: Repository
beforeAll(async () => {
  test = await openTestContext()
  repository = await ensureRepository(`${test.folder.path}/repo`)
})
afterAll(() => test.close())

const take = (purpose: string, waitMs = 0) => lockRepository(repository, { purpose, waitMs })
const file = () => `${repository.path}/lock.json`

/** Leaves a lock as another process would that is not there to release it. */
async function leaveLock(process: Record<string, unknown>): Promise<void> {
  const lock = await take('kiln backup create')
  const content = JSON.parse(readFileSync(file(), 'utf8')) as Record<string, object>
  await lock.release()
  const left = { ...content, nonce: 'left', process: { ...content.process, ...process } }
  writeFileSync(file(), JSON.stringify(left))
}

describe('the lock of a repository', () => {
  it('is one holder’s at a time, who is named to others', async () => {
    const lock = await take('kiln backup create')
    await expect(take('kiln backup prune')).rejects.toMatchObject({
      code: 'BACKUP_REPOSITORY_BUSY',
      message: expect.stringContaining(`in use by kiln backup create (pid ${process.pid} on`),
    })
    const waiting = take('kiln backup prune', 10_000)
    await lock.release()
    await (await waiting).release()
  })

  it('is taken over from a process that is gone', async () => {
    const gone = spawnSync('true').pid
    await leaveLock({ pid: gone, startTicks: '1' })
    const lock = await take('kiln backup prune')
    await lock.confirm()
    await lock.release()
  })

  it('is taken over by one of many who find the process gone', async () => {
    await leaveLock({ pid: spawnSync('true').pid, startTicks: '1' })
    const takes = await Promise.allSettled(
      Array.from({ length: 8 }, () => take('kiln backup prune')),
    )
    const taken = takes.filter((result) => result.status === 'fulfilled')
    expect(taken).toHaveLength(1)
    await taken[0]?.value.release()
  })

  it('of another machine is taken over once its beat has long stood still', async () => {
    await leaveLock({ host: 'elsewhere', bootId: 'other' })
    await expect(take('kiln backup prune')).rejects.toThrow('on elsewhere')
    const longAgo = new Date(Date.now() - 600_000)
    utimesSync(file(), longAgo, longAgo)
    await (await take('kiln backup prune')).release()
  })

  it('is taken over from what a dying process left half written', async () => {
    writeFileSync(file(), '{"nonce":')
    await (await take('kiln backup prune')).release()
  })

  it('tells a holder that was taken for dead', async () => {
    const lock = await take('kiln backup create')
    writeFileSync(file(), readFileSync(file(), 'utf8').replace(/"nonce":"[^"]+"/, '"nonce":"x"'))
    await expect(lock.confirm()).rejects.toMatchObject({ code: 'BACKUP_REPOSITORY_BUSY' })
    await lock.release()
    expect(readFileSync(file(), 'utf8')).toContain('"nonce":"x"')
    writeFileSync(file(), '')
  })

  it('holds in the database too, where files of hosts do not agree', async () => {
    const { database } = test.context
    const lock = await lockRepository(repository, { purpose: 'one', waitMs: 0, database })
    writeFileSync(file(), '')
    await expect(
      lockRepository(repository, { purpose: 'two', waitMs: 0, database }),
    ).rejects.toMatchObject({ code: 'BACKUP_REPOSITORY_BUSY' })
    await lock.release()
    const next = await lockRepository(repository, { purpose: 'two', waitMs: 0, database })
    await next.release()
  })

  it('waits for the session of one who has given it back or has died', async () => {
    const { database } = test.context
    await leaveLock({ pid: spawnSync('true').pid, startTicks: '1' })
    for (const left of ['', readFileSync(file(), 'utf8')]) {
      const lock = await lockRepository(repository, { purpose: 'one', waitMs: 0, database })
      writeFileSync(file(), left)
      const next = lockRepository(repository, { purpose: 'two', waitMs: 0, database })
      await waitUntil('the next has tried', async () => {
        const { rows } = await database.pool.query(
          `select from pg_stat_activity
           where datname = current_database() and state = 'idle'
             and query like '%pg_try_advisory_lock%' and query not like '%pg_stat_activity%'`,
        )
        return rows.length === 2
      })
      await lock.release()
      await (await next).release()
    }
  })
})
