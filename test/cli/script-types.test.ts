import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Context, Datasource, Duckdb } from '../../types/analysis.d.ts'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { runKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

let database: TestDatabase
let folder: TemporaryFolder

beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder()
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

const script = `
  const shape = (value) => Object.keys(value).toSorted()
  export default (params, ctx) => ({
    context: shape(ctx),
    duckdb: shape(ctx.duckdb),
    datasource: shape(ctx.datasource),
    job: shape(ctx.job),
    log: shape(ctx.log),
    metadata: shape(ctx.metadata),
  })`

/** The compiler keeps each list equal to the type; the test compares it with what a script finds. */
const keysOf = <T>(keys: Record<keyof T, true>): string[] => Object.keys(keys).toSorted()

test('types/analysis.d.ts declares what a script finds in ctx', async () => {
  const file = path.join(folder.path, 'shape.js')
  writeFileSync(file, script)
  const { stdout, stderr, exitCode } = await runKiln(['analysis', 'run', file, '--json'], {
    env: { DATABASE_URL: database.connectionString },
  })
  expect(exitCode, stderr).toBe(0)
  const { result } = JSON.parse(stdout) as { result: Record<string, string[]> }
  expect(result).toEqual({
    context: keysOf<Context>({
      analysis: true,
      datasource: true,
      debug: true,
      duckdb: true,
      error: true,
      info: true,
      job: true,
      log: true,
      metadata: true,
      now: true,
      progress: true,
      project: true,
      runAnalysis: true,
      shouldStop: true,
      sleep: true,
      warn: true,
    }),
    duckdb: keysOf<Duckdb>({
      describe: true,
      exec: true,
      export: true,
      load: true,
      query: true,
      tables: true,
    }),
    datasource: keysOf<Datasource>({ query: true, stream: true }),
    job: keysOf<Context['job']>({
      attempt: true,
      id: true,
      idempotencyKey: true,
      triggeredBy: true,
    }),
    log: ['debug', 'error', 'info', 'warn'],
    metadata: keysOf<Context['metadata']>({ get: true, set: true }),
  })
})
