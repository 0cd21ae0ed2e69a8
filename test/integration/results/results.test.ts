import { appendFile, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { getJob } from '../../../src/core/jobs/index.ts'
import { type DataFolder, openDataFolder } from '../../../src/core/os/index.ts'
import {
  inlineLimitBytes,
  isInline,
  readResult,
  storeResult,
} from '../../../src/core/results/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
let folder: DataFolder
let jobId: string
beforeAll(async () => {
  test = await openTestContext()
  folder = await openDataFolder(test.context.settings.dataDir)
})
afterAll(() => test.close())
beforeEach(async () => {
  const { pool } = test.context.database
  jobId = await insertJob(pool, await insertAnalysis(pool), { status: 'completed' })
})

const startedAt = '2024-02-29T23:59:59.999Z'

async function read(): Promise<string> {
  return readResult(test.context, await getJob(test.context, jobId))
}

async function store(text: string, change: { path?: string; dataFolderId?: string } = {}) {
  const stored = await storeResult(folder, { id: jobId, attempt: 2, startedAt }, text)
  await test.context.database.queries
    .insertInto('analysisResultStorage')
    .values({
      jobId,
      ...stored,
      storagePath: change.path ?? stored.storagePath,
      dataFolderId: change.dataFolderId ?? stored.dataFolderId,
    })
    .execute()
  return path.join(folder.path, stored.storagePath)
}

describe('a result in a file', () => {
  it('reads back equal, from a folder per day that is private', async () => {
    const file = await store('{"a":"\\u0000"}')
    expect(file).toBe(path.join(folder.path, 'results/2024/02/29', `${jobId}-2.json.gz`))
    expect(await read()).toBe('{"a":"\\u0000"}')
    expect((await stat(path.join(folder.path, 'results'))).mode & 0o077).toBe(0)
  })

  it.each([
    ['[{"a":1},{"a":2}]', 2],
    ['{"unit":"m","rows":[{"a":1}]}', 1],
    ['{"a":1}', null],
  ])('of which %s has its rows counted', async (text, rowCount) => {
    const stored = await storeResult(folder, { id: jobId, attempt: 1, startedAt }, text)
    expect(stored).toMatchObject({
      rowCount,
      storagePath: `results/2024/02/29/${jobId}.json.gz`,
    })
  })

  it('that was damaged is refused', async () => {
    await appendFile(await store('"text"'), 'x')
    await expect(read()).rejects.toMatchObject({ code: 'RESULT_UNAVAILABLE', exitCode: 74 })
    await expect(read()).rejects.toThrow('is damaged')
  })

  it('that is gone is told so', async () => {
    await rm(await store('"text"'))
    await expect(read()).rejects.toMatchObject({ code: 'RESULT_UNAVAILABLE', exitCode: 74 })
  })

  it('of another data folder is told so, with the folder', async () => {
    const other = '11111111-2222-4333-8444-555555555555'
    await store('"text"', { dataFolderId: other })
    await expect(read()).rejects.toMatchObject({
      code: 'RESULT_UNAVAILABLE',
      hint: expect.stringContaining(other) as string,
    })
  })

  it.each(['/etc/passwd', '../secret', 'results/../../secret', 'results', 'duckdb/other'])(
    'is not read from %s',
    async (storagePath) => {
      await store('"text"', { path: storagePath })
      await expect(read()).rejects.toMatchObject({ code: 'RESULT_UNAVAILABLE' })
    },
  )

  it('that is not JSON of ours but has a right checksum is refused, not trusted', async () => {
    const file = await store('"text"')
    const bytes = Buffer.from('not compressed')
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, bytes)
    await test.context.database.pool.query(
      'update analysis_result_storage set checksum = $1 where job_id = $2',
      [createHash('sha256').update(bytes).digest('hex'), jobId],
    )
    await expect(read()).rejects.toMatchObject({ code: 'RESULT_UNAVAILABLE' })
  })
})

describe('isInline', () => {
  it('takes what jsonb holds, up to the limit', () => {
    expect(isInline(JSON.stringify('x'.repeat(inlineLimitBytes - 2)))).toBe(true)
    expect(isInline(JSON.stringify('x'.repeat(inlineLimitBytes - 1)))).toBe(false)
    expect(isInline(JSON.stringify('ü'.repeat(inlineLimitBytes / 2)))).toBe(false)
  })

  it('says yes only to what jsonb gives back equal', async () => {
    const { pool } = test.context.database
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ stringUnit: 'binary' }), async (value) => {
        const text = JSON.stringify(value)
        if (!isInline(text)) return
        const { rows } = await pool.query<{ value: unknown }>('select $1::jsonb as value', [text])
        expect(rows[0]?.value).toEqual(JSON.parse(text))
      }),
      { numRuns: 300 },
    )
  })

  it.each([['"\\u0000"'], ['"\\ud800"'], ['{"\\u0000":1}'], ['"\\uDBFF x"']])(
    'sends %s to a file',
    (text) => {
      expect(isInline(text)).toBe(false)
    },
  )
})

describe('readResult', () => {
  it.each([
    ['pending', 'JOB_NOT_FINISHED', 1],
    ['failed', 'JOB_FAILED', 20],
    ['cancelled', 'JOB_CANCELLED', 21],
  ])('of a %s job is %s', async (status, code, exitCode) => {
    const { pool } = test.context.database
    jobId = await insertJob(pool, await insertAnalysis(pool), { status })
    await expect(read()).rejects.toMatchObject({ code, exitCode })
  })

  it.each([['null'], ['0'], ['false'], ['""'], ['[]']])('gives %s as it is', async (text) => {
    const { pool } = test.context.database
    const analysisId = await insertAnalysis(pool)
    jobId = await insertJob(pool, analysisId, { status: 'completed', result: text })
    expect(await read()).toBe(text)
  })
})
