import { expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { runKiln } from '../support/kiln.ts'

it('runs the built program against a test database', async () => {
  const database = await createTestDatabase()
  const result = await runKiln(['job', 'list', '--json'], {
    env: { DATABASE_URL: database.connectionString },
  })
  expect(result).toMatchObject({ exitCode: 0, stderr: '' })
  expect(JSON.parse(result.stdout)).toMatchObject({ items: [] })
  await database.drop()
})
