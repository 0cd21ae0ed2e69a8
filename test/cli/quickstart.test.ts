import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase, secretSettings } from '../support/database.ts'
import { type KilnOptions, runKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const canary = 'canary-7c2e9b40'
let database: TestDatabase
let folder: TemporaryFolder
let options: KilnOptions
beforeAll(async () => {
  database = await createTestDatabase({ migrated: false })
  folder = await createTemporaryFolder('quickstart')
  options = {
    env: {
      ...secretSettings(database.connectionString, canary),
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
    },
  }
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

it('sets everything up, twice, and prints a table', async () => {
  for (const round of [1, 2]) {
    const { exitCode, stdout, stderr } = await runKiln(['quickstart'], options)
    expect(exitCode, stderr).toBe(0)
    expect(stdout + stderr).not.toContain(canary)
    expect(stdout.split('\n').length).toBeGreaterThan(5)
    expect(stdout).toMatch(/^AIRPORT +CITY/m)
    expect(stderr).toContain('Next, for example')
    expect(stderr).toContain(round === 1 ? 'migrations applied' : '(0 migrations applied)')
  }
  const json = await runKiln(['quickstart', '--json', '-q'], options)
  expect(json).toMatchObject({ exitCode: 0, stderr: '' })
  expect(json.stdout).not.toContain(canary)
  expect(JSON.parse(json.stdout)).toMatchObject({
    status: 'completed',
    analysis_name: 'airport-punctuality',
  })
})

it('leaves every example able to run', async () => {
  const { stdout } = await runKiln(['analysis', 'list', '-o', 'name', '-q'], options)
  const names = stdout.trim().split('\n')
  expect(names.length).toBeGreaterThanOrEqual(4)
  for (const name of names) {
    const result = await runKiln(['analysis', 'run', name, '--json'], options)
    expect(result.exitCode, `${name}: ${result.stderr}`).toBe(0)
  }
})
