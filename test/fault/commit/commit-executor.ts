/**
 * An executor in a process of its own that stops between two steps of a commit when it was told to.
 * Arguments: database URL, data folder. Each line on standard input names the step after which to
 * stop, `none`, or `go` for one that stands. It prints `ready`, and `at STEP` when it stands there.
 */
import { flushCompileCache } from 'node:module'
import { createInterface } from 'node:readline'
import { loadSettings } from '../../../src/core/config/index.ts'
import { openDatabase } from '../../../src/core/database/index.ts'
import { Executor } from '../../../src/core/executor/index.ts'
import { silentLogger } from '../../../src/core/log/index.ts'
import { systemClock } from '../../../src/core/os/index.ts'

const [url = '', dataDir = ''] = process.argv.slice(2)
const { settings } = loadSettings({ environment: { ANALYSIS_DATA_DIR: dataDir }, folder: dataDir })
const target = { config: { connectionString: url }, label: 'the test database', isPrivate: false }
let wanted = 'none'
let letGo: (() => void) | undefined

createInterface({ input: process.stdin }).on('line', (line) => {
  if (line !== 'go') wanted = line
  letGo?.()
})
process.stdin.on('close', () => process.exit(0))

const executor = new Executor(
  {
    settings,
    database: openDatabase({ target, applicationName: 'kiln commit test', poolSize: 5 }),
    clock: systemClock,
    log: silentLogger,
    signal: new AbortController().signal,
    operator: { actor: 'tester', source: 'cli' },
  },
  {
    kind: 'service',
    concurrency: 1,
    programVersion: '0.0.0',
    onCommitStep: async (step) => {
      if (step !== wanted) return
      wanted = 'none'
      await new Promise<void>((resolve) => {
        letGo = resolve
        console.log(`at ${step}`)
      })
    },
  },
)
// The next one of this test starts from it; this one will be killed.
flushCompileCache()
await executor.start()
console.log('ready')
await executor.serve({ untilEmpty: false })
