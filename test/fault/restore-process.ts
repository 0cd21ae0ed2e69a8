/**
 * A restore in a process of its own that kills itself at a step. Arguments: database URL, data folder,
 * repository, `postgres` or `duckdb`, and the step.
 */
import { flushCompileCache } from 'node:module'
import { loadSettings } from '../../src/core/config/index.ts'
import { openDatabase } from '../../src/core/database/index.ts'
import { openRepository, openSet } from '../../src/core/backup/index.ts'
import { silentLogger } from '../../src/core/log/index.ts'
import { systemClock } from '../../src/core/os/index.ts'
import {
  type OnRestoreStep,
  findRestoreTarget,
  restoreDatabases,
  restoreSet,
} from '../../src/core/restore/index.ts'

// For the next one: this one kills itself.
flushCompileCache()
const [url = '', dataDir = '', repository = '', part = '', killAt = ''] = process.argv.slice(2)
const { settings } = loadSettings({ environment: { ANALYSIS_DATA_DIR: dataDir }, folder: dataDir })
const context = {
  settings,
  database: openDatabase({
    target: { config: { connectionString: url }, label: 'the test database', isPrivate: false },
    applicationName: 'kiln restore test',
    poolSize: 3,
  }),
  clock: systemClock,
  log: silentLogger,
  signal: new AbortController().signal,
  operator: { actor: 'tester', source: 'cli' as const },
}
const onStep: OnRestoreStep = (step) => {
  if (step === killAt) process.kill(process.pid, 'SIGKILL')
}
const set = await openSet(await openRepository(repository), { name: 'latest' })
if (part === 'postgres') {
  const target = await findRestoreTarget(context, undefined)
  await restoreSet(context, { set, target, releases: false, onStep })
} else {
  await restoreDatabases(context, { source: { kind: 'set', set }, waitMs: 60_000, onStep })
}
await context.database.close()
