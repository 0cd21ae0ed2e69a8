import path from 'node:path'
import { loadSettings } from '../../src/core/config/index.ts'
import type { Context } from '../../src/core/context.ts'
import { openDatabase } from '../../src/core/database/index.ts'
import { silentLogger } from '../../src/core/log/index.ts'
import { systemClock } from '../../src/core/os/index.ts'
import { type TestDatabase, createTestDatabase } from './database.ts'
import { type TemporaryFolder, createTemporaryFolder } from './temporary-folder.ts'

export interface TestContext {
  readonly context: Context
  readonly database: TestDatabase
  readonly folder: TemporaryFolder
  close(): Promise<void>
}

/** A context over a migrated database and a data folder of its own, as commands have one. */
export async function openTestContext(
  environment: Readonly<Record<string, string>> = {},
): Promise<TestContext> {
  const database = await createTestDatabase()
  const folder = await createTemporaryFolder('core')
  const { settings } = loadSettings({
    environment: {
      DATABASE_URL: database.connectionString,
      ANALYSIS_DATA_DIR: path.join(folder.path, 'data'),
      ...environment,
    },
    folder: folder.path,
  })
  const pool = openDatabase({
    target: {
      config: { connectionString: database.connectionString },
      label: 'the test database',
      isPrivate: false,
    },
    applicationName: 'kiln test',
    poolSize: 5,
  })
  return {
    context: {
      settings,
      database: pool,
      clock: systemClock,
      log: silentLogger,
      signal: new AbortController().signal,
      operator: { actor: 'tester', source: 'cli' },
    },
    database,
    folder,
    async close() {
      await pool.close()
      await database.drop()
      await folder.remove()
    },
  }
}
