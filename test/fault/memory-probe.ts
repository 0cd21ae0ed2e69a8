/**
 * A service in a process of its own that can be told to collect garbage. Arguments: database URL,
 * data folder, script of the jobs. For each number of jobs on standard input it runs so many, then prints the bytes that
 * are in use by the service, and the most that one sandbox took meanwhile.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { loadSettings } from '../../src/core/config/index.ts'
import { openDatabase } from '../../src/core/database/index.ts'
import { silentLogger } from '../../src/core/log/index.ts'
import { systemClock } from '../../src/core/os/index.ts'
import { Service } from '../../src/core/scheduler/index.ts'
import { descendantsOf } from '../support/descendants.ts'
import { insertAnalysis } from '../support/queue.ts'
import { allJobsEnd } from '../support/services.ts'
import { waitUntil } from '../support/wait-until.ts'

const [url = '', dataDir = '', script] = process.argv.slice(2)
const { settings } = loadSettings({ environment: { ANALYSIS_DATA_DIR: dataDir }, folder: dataDir })
const target = { config: { connectionString: url }, label: 'the test database', isPrivate: false }
const database = openDatabase({ target, applicationName: 'kiln memory probe', poolSize: 10 })
const stopping = new AbortController()
const service = new Service(
  {
    settings,
    database,
    clock: systemClock,
    log: silentLogger,
    signal: stopping.signal,
    operator: { actor: 'tester', source: 'cli' },
  },
  { programVersion: '0.0.0', concurrency: 2, once: false, haste: new AbortController().signal },
)
const serving = service.run()
const analysisId = await insertAnalysis(database.pool, script)

/** The memory of a process that is no file's, which any other program may share. */
function anonymousBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
  } catch {
    // A sandbox that has just been replaced.
    return 0
  }
}

/** The least of a few looks: a service always has something under way, such as a heartbeat. */
async function bytesInUse(): Promise<number> {
  let least = Infinity
  for (let look = 0; look < 5; look += 1) {
    await delay(100)
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    least = Math.min(least, heapUsed + external)
  }
  return least
}

function isDuckdb(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('duckdb')
  } catch {
    return false
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const jobs = Number(line)
  await database.pool.query(
    'insert into analysis_jobs (analysis_id) select $1 from generate_series(1, $2)',
    [analysisId, jobs],
  )
  let [sandboxBytes, isOver] = [0, false]
  let pids: readonly number[] = []
  const ended = allJobsEnd(database.pool, 600_000).finally(() => (isOver = true))
  for (let round = 0; !isOver; await delay(20)) {
    // Sandboxes live for seconds, and to find them takes a look at every process of the machine.
    if (round % 10 === 0) pids = descendantsOf(process.pid)
    round += 1
    sandboxBytes = Math.max(sandboxBytes, ...pids.map(anonymousBytes))
  }
  await ended
  // A DuckDB process closes its file when its job's outcome stands.
  await waitUntil('no DuckDB is left', () => !descendantsOf(process.pid).some(isDuckdb))
  const used = {
    serviceBytes: await bytesInUse(),
    sandboxBytes,
    openFiles: readdirSync('/proc/self/fd').length,
    children: descendantsOf(process.pid).length,
  }
  process.stdout.write(`${JSON.stringify(used)}\n`)
}
stopping.abort()
await serving
await database.close()
