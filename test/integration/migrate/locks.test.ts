import { afterEach, beforeEach, expect, test } from 'vitest'
import { isKilnError } from '../../../src/core/errors/index.ts'
import {
  type MigrationProgress,
  acquireSchemaLock,
  migrateUp,
  releaseSchemaLock,
} from '../../../src/core/migrate/index.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { type Fixture, createFixture, file } from './fixture.ts'

let fixture: Fixture
beforeEach(async () => {
  fixture = await createFixture()
})
afterEach(() => fixture.remove())

const quick = { waitMs: 500, tries: 2, pauseMs: 10 }
const up = (input: Parameters<typeof migrateUp>[1] = {}, signal?: AbortSignal) =>
  migrateUp(
    { ...fixture.context, ...(signal ? { signal } : {}) },
    { migrationsFolder: fixture.folder, ...input },
  )

test('names the holder when the schema lock is not free in time', async () => {
  await fixture.write({ '0001_a.sql': file('create table a ();') })
  const holder = await fixture.connect('nightly backup')
  await acquireSchemaLock(holder, { timeoutMs: 0 })
  const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid')
  const error = await up({ lockTimeoutMs: 50 }).catch((e: unknown) => e)
  if (!isKilnError(error, 'LOCK_TIMEOUT')) throw error
  expect(error.exitCode).toBe(75)
  expect(error.isRetryable).toBe(true)
  expect(error.message).toMatch(
    new RegExp(`held by pid ${rows[0]?.pid} \\(nightly backup, local socket, since \\d{4}-`),
  )
  expect(error.details?.holders).toMatchObject([{ application_name: 'nightly backup' }])
})

test('waits for the schema lock, says so, and goes on when it is free', async () => {
  await fixture.write({ '0001_a.sql': file('create table a ();') })
  const holder = await fixture.connect('a restore')
  await acquireSchemaLock(holder, { timeoutMs: 0 })
  const events: MigrationProgress[] = []
  const running = up({ onProgress: (event) => events.push(event) })
  await waitUntil('it waits', () => events.some(({ kind }) => kind === 'waiting_for_lock'))
  expect(events[0]).toMatchObject({ holders: [{ applicationName: 'a restore' }] })
  await releaseSchemaLock(holder)
  expect(await running).toHaveLength(1)
})

test('shared holders let each other in and keep migrations out', async () => {
  await fixture.write({ '0001_a.sql': file('create table a ();') })
  const [one, two] = [await fixture.connect(), await fixture.connect()]
  await acquireSchemaLock(one, { timeoutMs: 0, mode: 'shared' })
  await acquireSchemaLock(two, { timeoutMs: 0, mode: 'shared' })
  await expect(up({ lockTimeoutMs: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' })
  await releaseSchemaLock(one, true)
  await releaseSchemaLock(two, true)
  expect(await up({ lockTimeoutMs: 0 })).toHaveLength(1)
})

test('stops waiting for the lock when it is interrupted', async () => {
  const holder = await fixture.connect()
  await acquireSchemaLock(holder, { timeoutMs: 0 })
  const interrupt = new AbortController()
  const reason = new Error('interrupted')
  const running = up(
    { lockTimeoutMs: 60_000, onProgress: () => interrupt.abort(reason) },
    interrupt.signal,
  )
  await expect(running).rejects.toBe(reason)
})

test('gives up a wait for a table, lets others pass, tries again, then names the blockers', async () => {
  await fixture.rows('create table busy (n int)')
  await fixture.write({
    '0001_alter.sql': file('create table before ();\nalter table busy add column m int;'),
  })
  const reader = await fixture.connect('long report')
  await reader.query('begin; select * from busy')
  const events: MigrationProgress[] = []
  const error = await up({ lockPolicy: quick, onProgress: (event) => events.push(event) }).catch(
    (e: unknown) => e,
  )
  if (!isKilnError(error, 'LOCK_TIMEOUT')) throw error
  expect(error.message).toMatch(/^0001_alter\.sql:3:1: .*2 tries.*blocked by pid \d+ \(long report/)
  expect(events).toContainEqual({
    kind: 'retrying',
    version: '0001',
    tries: 1,
    blockers: [expect.objectContaining({ applicationName: 'long report' })],
  })
  // Nothing is left of the tries, and nobody waits behind them.
  expect(await fixture.rows(`select to_regclass('before') as t`)).toEqual([{ t: null }])
  expect(await fixture.rows('select * from busy')).toEqual([])
})

test('passes when the blocker ends between two tries', async () => {
  await fixture.rows('create table busy (n int)')
  await fixture.write({ '0001_alter.sql': file('alter table busy add column m int;') })
  const reader = await fixture.connect()
  await reader.query('begin; select * from busy')
  const applied = await up({
    lockPolicy: { ...quick, tries: 20 },
    onProgress: (event) => {
      if (event.kind === 'retrying') void reader.query('rollback')
    },
  })
  expect(applied).toHaveLength(1)
})

test('an interrupt cancels the statement on the server and rolls back', async () => {
  await fixture.write({
    '0001_slow.sql': file('create table half ();\nselect pg_sleep(600);'),
  })
  const interrupt = new AbortController()
  const reason = new Error('interrupted')
  const running = up({}, interrupt.signal)
  const sleeping = `select from pg_stat_activity where query like 'select pg_sleep(600)%' and state = 'active'`
  running.catch(() => undefined)
  await waitUntil('it runs', async () => (await fixture.rows(sleeping)).length > 0)
  interrupt.abort(reason)
  await expect(running).rejects.toBe(reason)
  expect(await fixture.rows(sleeping)).toEqual([])
  expect(await fixture.rows(`select to_regclass('half') as t`)).toEqual([{ t: null }])
})

test('a connection that breaks leaves nothing and says that the database went away', async () => {
  await fixture.write({ '0001_slow.sql': file('create table half ();\nselect pg_sleep(600);') })
  const running = up()
  running.catch(() => undefined)
  const killed = `select pg_terminate_backend(pid) from pg_stat_activity
    where query like 'select pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()`
  await waitUntil('it is cut', async () => (await fixture.rows(killed)).length > 0)
  await expect(running).rejects.toMatchObject({ code: 'DATABASE_CONNECTION_FAILED' })
  expect(await fixture.rows(`select to_regclass('half') as t`)).toEqual([{ t: null }])
})

test('refuses to run when the lock turns out to be held by another session', async () => {
  // What a pooler in transaction mode does: the session with the lock is not the one that works.
  await fixture.rows('create table busy (n int)')
  await fixture.write({
    '0001_lose.sql': file('select pg_advisory_unlock_all();'),
    '0002_alter.sql': file('alter table busy add column m int;'),
  })
  const reader = await fixture.connect()
  await reader.query('begin; select * from busy')
  const thief = await fixture.connect('another session')
  let stealing: Promise<void> | undefined
  const running = up({
    // The pause after the first try gives the thief time, whose own pauses are shorter.
    lockPolicy: { waitMs: 100, tries: 2, pauseMs: 3000 },
    onProgress: (event) => {
      if (event.kind === 'retrying') stealing = acquireSchemaLock(thief, { timeoutMs: 20_000 })
    },
  })
  await expect(running).rejects.toMatchObject({ code: 'SETTING_INVALID' })
  await stealing
})
