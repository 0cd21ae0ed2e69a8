/** Commands of backups and restores end when the server falls silent, whichever answer was the last. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { backUp, repositoryPath } from '../support/backup.ts'
import { type TestContext, openTestContext } from '../support/core-context.ts'
import { runKiln } from '../support/kiln.ts'
import { projectFile, writeDatabase } from '../support/project-files.ts'
import { startPostgresProxy } from '../support/postgres-proxy.ts'
import { insertAnalysis } from '../support/queue.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
  await insertAnalysis(core.context.database.pool)
  await core.context.database.pool.query(`insert into projects (id) values ('one')`)
  await writeDatabase(
    projectFile(core.context.settings.dataDir, 'one'),
    'create table t (x integer)',
  )
  await backUp(core, { parts: ['postgres', 'duckdb'] })
})
afterAll(() => core.close())

async function run(answers: number, ...words: readonly string[]) {
  const proxy = await startPostgresProxy(core.database.connectionString)
  proxy.freezeAfterAnswers(answers)
  try {
    return await runKiln([...words, '--repo', repositoryPath(core), '--json'], {
      env: {
        DATABASE_URL: proxy.connectionString,
        ANALYSIS_DATA_DIR: core.context.settings.dataDir,
      },
    })
  } finally {
    await proxy.close()
  }
}

const silence = ['--silence-timeout', '300ms']
const commands = [
  ['backup create', () => ['backup', 'create', 'postgres']],
  [
    'restore postgres',
    () => {
      const { database = '' } = new pg.Client({ connectionString: core.database.connectionString })
      return ['restore', 'postgres', 'latest', '--confirm', database]
    },
  ],
  [
    'restore duckdb',
    () => ['restore', 'duckdb', 'latest', '--confirm', core.context.settings.dataDir],
  ],
] as const

// Of each session the first answer is its login: these are the first questions of different ones.
describe.each([1, 2, 3, 5, 11])('a server that falls silent after %i answers', (answers) => {
  it.each(commands)('ends %s with 69', async (_, words) => {
    const { exitCode, stderr } = await run(answers, ...words(), ...silence)
    expect(JSON.parse(stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({
      error: { code: 'DATABASE_CONNECTION_FAILED', exit_code: 69, retryable: true },
    })
    expect(exitCode).toBe(69)
  })
})
