/** A database, a data folder and connections for tests of the built job commands. */
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type TestContext, openTestContext } from './core-context.ts'
import { type KilnOptions, type KilnResult, type RunningKiln, runKiln, startKiln } from './kiln.ts'
import { addLastingExecutor, insertAnalysis, insertJob } from './queue.ts'

export interface JobCommands {
  readonly core: TestContext
  /** An analysis that returns 1, in project `default`. */
  readonly analysisId: string
  run(args: readonly string[], options?: KilnOptions): Promise<KilnResult>
  /** Starts a command; `close` kills it if it still runs. */
  start(args: readonly string[], options?: KilnOptions): RunningKiln
  sql(text: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  add(columns?: Readonly<Record<string, unknown>>): Promise<string>
  /** A running job of an executor that does nothing, so that nobody ends it but the test. */
  addRunning(columns?: Readonly<Record<string, unknown>>): Promise<string>
  /** Writes a script into the working folder. */
  script(name: string, source: string): Promise<string>
  close(): Promise<void>
}

export async function openJobCommands(): Promise<JobCommands> {
  const core = await openTestContext()
  const { pool } = core.context.database
  const analysisId = await insertAnalysis(pool)
  const started: RunningKiln[] = []
  let executor: Promise<string> | undefined
  const withDefaults = (options: KilnOptions): KilnOptions => ({
    cwd: core.folder.path,
    ...options,
    env: {
      DATABASE_URL: core.database.connectionString,
      ANALYSIS_DATA_DIR: core.context.settings.dataDir,
      ...options.env,
    },
  })
  const add: JobCommands['add'] = (columns) => insertJob(pool, analysisId, columns)
  return {
    core,
    analysisId,
    run: (args, options = {}) => runKiln(args, withDefaults(options)),
    start(args, options = {}) {
      const kiln = startKiln(args, withDefaults(options))
      started.push(kiln)
      return kiln
    },
    sql: async (text, values = []) => (await pool.query(text, [...values])).rows,
    add,
    addRunning: async (columns) =>
      add({
        status: 'running',
        attempt: 1,
        started_at: new Date().toISOString(),
        executor_id: await (executor ??= addLastingExecutor(core.context)),
        lease_token: randomUUID(),
        ...columns,
      }),
    async script(name, source) {
      const file = path.join(core.folder.path, name)
      await writeFile(file, source)
      return file
    },
    async close() {
      for (const kiln of started) kiln.kill('SIGKILL')
      await Promise.all(started.map((kiln) => kiln.exited))
      await core.close()
    },
  }
}
