import { rm } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDataFolder } from '../../../src/core/os/index.ts'
import { compareResults, storeResult } from '../../../src/core/results/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())

const inline = (result: unknown) =>
  insertJob(test.context.database.pool, analysisId, {
    status: 'completed',
    result: JSON.stringify(result),
  })

async function stored(result: unknown): Promise<{ id: string; file: string }> {
  const id = await insertJob(test.context.database.pool, analysisId, { status: 'completed' })
  const folder = await openDataFolder(test.context.settings.dataDir)
  const row = await storeResult(
    folder,
    { attempt: 1, id, startedAt: '2026-01-01T00:00:00Z' },
    JSON.stringify(result),
  )
  await test.context.database.queries
    .insertInto('analysisResultStorage')
    .values({ jobId: id, ...row })
    .execute()
  return { id, file: path.join(folder.path, row.storagePath) }
}

const compare = (a: string, b: string, limit = 100) => compareResults(test.context, a, b, limit)

describe('compareResults', () => {
  it('finds a stored result equal to an inline one', async () => {
    const a = await inline({ rows: [{ id: 1, name: 'a' }] })
    const b = await stored({ rows: [{ name: 'a', id: 1 }] })
    expect(await compare(a, b.id)).toEqual({ differences: [], count: 0 })
    expect(await compare(a, a)).toEqual({ differences: [], count: 0 })
  })

  it('gives the first differences and counts all', async () => {
    const a = await stored(Array.from({ length: 500 }, (_, index) => index))
    const b = await stored(Array.from({ length: 500 }, (_, index) => -index))
    const { differences, count } = await compare(a.id, b.id, 2)
    expect(differences).toEqual([
      { path: '$[1]', kind: 'changed', a: 1, b: -1 },
      { path: '$[2]', kind: 'changed', a: 2, b: -2 },
    ])
    expect(count).toBe(499)
  })

  it.each(['pending', 'running', 'failed', 'cancelled'])(
    'needs a result of a %s job',
    async (status) => {
      const a = await inline(1)
      const b = await insertJob(test.context.database.pool, analysisId, { status })
      await expect(compare(a, b)).rejects.toMatchObject({ code: 'RESULT_MISSING', exitCode: 65 })
    },
  )

  it('tells of a result file that is gone', async () => {
    const a = await inline(1)
    const b = await stored(1)
    await rm(b.file)
    await expect(compare(a, b.id)).rejects.toMatchObject({ code: 'RESULT_UNAVAILABLE' })
  })
})
