import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { runKiln } from '../support/kiln.ts'
import { insertAnalysis, insertJob } from '../support/queue.ts'

let database: TestDatabase
let pool: pg.Pool
let analysisId: string
beforeAll(async () => {
  database = await createTestDatabase()
  pool = new pg.Pool({ connectionString: database.connectionString, max: 2 })
  analysisId = await insertAnalysis(pool, undefined, { title: 'sales', projectId: 'shop' })
})
afterAll(async () => {
  await pool.end()
  await database.drop()
})

const kiln = (...args: string[]) =>
  runKiln(args, { env: { DATABASE_URL: database.connectionString } })

describe('project', () => {
  it('set puts a limit on what is pending, show and list tell, none takes it away', async () => {
    await insertJob(pool, analysisId)
    const set = await kiln('project', 'set', 'shop', '--max-concurrent', '2', '--json')
    expect({ exitCode: set.exitCode, project: JSON.parse(set.stdout) as unknown }).toMatchObject({
      exitCode: 0,
      project: { id: 'shop', max_concurrent: 2, running_jobs: 0, waiting_jobs: 1 },
    })
    const list = JSON.parse((await kiln('project', 'list', '--json')).stdout) as {
      readonly items: readonly unknown[]
    }
    expect(list.items).toHaveLength(1)
    expect(list.items[0]).toMatchObject({
      id: 'shop',
      analysis_count: 1,
      max_concurrent: 2,
      waiting_jobs: 1,
    })
    await kiln('project', 'set', 'shop', '--max-concurrent', 'none')
    const shown = await kiln('project', 'show', 'shop')
    expect(shown.stdout).toMatch(/at a time +no limit/)
    const { rows } = await pool.query<{ action: string; details: unknown }>(
      'select action, details from analysis_audit_log order by id',
    )
    expect(rows).toEqual([
      { action: 'project.set', details: { max_concurrent: 2 } },
      { action: 'project.set', details: { max_concurrent: null } },
    ])
  })

  it.each([
    [['set', 'nowhere', '--max-concurrent', '2'], 66],
    [['show', 'nowhere'], 66],
    [['set', 'shop', '--max-concurrent', '0'], 64],
    [['set', 'shop', '--max-concurrent', '1.5'], 64],
    [['set', 'shop'], 64],
  ])('%j ends with %i', async (args, exitCode) => {
    const result = await kiln('project', ...args)
    expect(result).toMatchObject({ exitCode, stdout: '' })
  })
})
