/** A subscriber of all tables goes through a restore, and has its rows afterwards. */
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createBackup, openRepository, openSet } from '../../../src/core/backup/index.ts'
import type { Context } from '../../../src/core/context.ts'
import { openDatabase } from '../../../src/core/database/index.ts'
import { findRestoreTarget, restoreSet, undoRestore } from '../../../src/core/restore/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { migrateTemplate } from '../../support/migrate-template.ts'
import { type OwnPostgres, startOwnPostgres } from '../../support/own-postgres.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'
import { databaseUrl } from '../../support/test-server.ts'
import { waitUntil } from '../../support/wait-until.ts'

let core: TestContext
let server: OwnPostgres
let context: Context
let subscriber: pg.Pool
beforeAll(async () => {
  core = await openTestContext()
  server = await startOwnPostgres({ wal_level: 'logical' })
  context = {
    ...core.context,
    database: openDatabase({
      target: {
        config: { connectionString: server.connectionString },
        label: 'the publisher',
        isPrivate: false,
      },
      applicationName: 'kiln test (publisher)',
      poolSize: 3,
    }),
  }
  await server.pool.query('create database subscriber')
  const url = databaseUrl(server.connectionString, 'subscriber')
  await migrateTemplate(url)
  subscriber = new pg.Pool({ connectionString: url, max: 2 })
  // Idle connections end with the server.
  subscriber.on('error', () => undefined)
})
afterAll(async () => {
  await subscriber.query(
    'alter subscription everything disable; alter subscription everything set (slot_name = none); drop subscription everything',
  )
  await subscriber.end()
  await context.database.close()
  await server.close()
  await core.close()
})

const titles = async (pool: pg.Pool): Promise<string[]> =>
  (await pool.query<{ title: string }>('select title from analyses order by 1')).rows.map(
    ({ title }) => title,
  )

it('of a publication for all tables', async () => {
  const id = await insertAnalysis(server.pool, undefined, { title: 'saved' })
  await insertJob(server.pool, id, { status: 'completed' })
  const repository = path.join(core.folder.path, 'published')
  await createBackup(context, { repository, parts: ['postgres'] })
  await insertAnalysis(server.pool, undefined, { title: 'later' })

  // On one server the slot has to be there first. Rows of the schema itself are the same on both sides.
  await server.pool.query('create publication everything for all tables')
  await server.pool.query(`select pg_create_logical_replication_slot('everything', 'pgoutput')`)
  const { host, port, user, database } = new pg.Client({
    connectionString: server.connectionString,
  })
  await subscriber.query(`truncate analyses, projects cascade`)
  await subscriber.query(
    `create subscription everything connection 'host=${host} port=${port} user=${user} dbname=${database ?? ''}'
     publication everything with (create_slot = false, slot_name = 'everything', copy_data = false)`,
  )
  const applied = async (title: string): Promise<void> => {
    await insertAnalysis(server.pool, undefined, { title })
    await waitUntil(`${title} has come`, async () => (await titles(subscriber)).includes(title))
  }
  await applied('first')

  const set = await openSet(await openRepository(repository), { name: 'latest' })
  const target = await findRestoreTarget(context, undefined)
  const { method, oldSchema } = await restoreSet(context, { set, target, releases: false })
  expect(method).toBe('in_place')
  await applied('after the restore')
  expect(await titles(subscriber)).toEqual(await titles(server.pool))
  const { rows } = await server.pool.query(
    `select distinct relpersistence from pg_class where relnamespace = to_regnamespace($1) and relkind = 'r'`,
    [oldSchema],
  )
  expect(rows, 'what is kept survives a crash').toEqual([{ relpersistence: 'p' }])

  await undoRestore(context, target)
  await applied('after the rollback')
  expect(await titles(subscriber)).toEqual(await titles(server.pool))
  expect(await titles(server.pool)).toContain('first')
})
