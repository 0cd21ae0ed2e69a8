import { afterAll, expect, it } from 'vitest'
import { createTestDatabase } from '../../support/database.ts'
import { query } from '../../support/test-server.ts'

const opened: (() => Promise<void>)[] = []
afterAll(() => Promise.all(opened.map((drop) => drop())))

it('gives each test file a migrated database of its own', async () => {
  const [one, two] = await Promise.all([createTestDatabase(), createTestDatabase()])
  opened.push(one.drop, two.drop)
  await query(one.connectionString, `insert into projects (id) values ('mine')`)
  const { rows } = await query(two.connectionString, `select 1 from projects where id = 'mine'`)
  expect(rows).toEqual([])
})

it('gives an empty database when asked', async () => {
  const database = await createTestDatabase({ migrated: false })
  opened.push(database.drop)
  const { rows } = await query(
    database.connectionString,
    `select relname from pg_class where relnamespace = 'public'::regnamespace`,
  )
  expect(rows).toEqual([])
})
