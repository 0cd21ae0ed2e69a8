import { existsSync } from 'node:fs'
import path from 'node:path'
import { type Child, type ChildOptions, startChild, startConfinedChild } from './child-process.ts'
import { Connection } from './connection.ts'
import type {
  ColumnInfo,
  CommitMarker,
  DatabaseFingerprint,
  DatabaseSizes,
  DuckdbProcess,
  DuckdbProcessOptions,
  TableInfo,
} from './contract.ts'

/**
 * DuckDB's allocator looks into it. Where it cannot, it reserves memory first and maps over that later,
 * which the kernel does not count: it has been seen to take 2.7 GB under a limit of 1.3.
 */
const overcommitFile = '/proc/sys/vm/overcommit_memory'

const never = new AbortController().signal

/** Starts a DuckDB process for one job and sets it up; resolves when it accepts statements. */
export async function startDuckdbProcess(
  options: DuckdbProcessOptions,
  signal: AbortSignal = never,
): Promise<DuckdbProcess> {
  signal.throwIfAborted()
  return await setUp(await start(options), options, signal)
}

async function start(options: DuckdbProcessOptions): Promise<Child> {
  const { confiner, folder, attach = [], project } = options
  if (!confiner) return startChild(options)
  // What was written to a database and not yet merged into its file lies beside it.
  const files = attach.flatMap(({ path: file }) => [file, `${file}.wal`])
  const readable = [...files, overcommitFile].filter((file) => existsSync(file))
  const writable = [folder]
  if (project) (project.use === 'write' ? writable : readable).push(path.dirname(project.path))
  return await startConfinedChild(options, { confiner, readable, writable })
}

/**
 * Keeps one DuckDB process started ahead of need, since Node and DuckDB take about 100 ms to load.
 * `take` gives it to a job, if its memory limit is the one the job has, and starts the next.
 */
export class DuckdbSpare {
  readonly #options: ChildOptions
  #child: Child | undefined
  #isStopped = false

  constructor(options: ChildOptions) {
    this.#options = options
    this.#start()
  }

  async take(options: DuckdbProcessOptions, signal: AbortSignal = never): Promise<DuckdbProcess> {
    signal.throwIfAborted()
    const child = this.#child
    const isFit =
      options.memoryLimitBytes === this.#options.memoryLimitBytes &&
      options.uid === this.#options.uid &&
      options.confiner === undefined
    if (!child || !isFit) return await startDuckdbProcess(options, signal)
    this.#child = undefined
    try {
      return await setUp(child, options, signal)
    } finally {
      this.#start()
    }
  }

  /** Ends the spare; processes that were taken are their jobs'. */
  async stop(): Promise<void> {
    this.#isStopped = true
    const child = this.#child
    this.#child = undefined
    child?.kill()
    await child?.gone
  }

  #start(): void {
    if (this.#isStopped) return
    const child = startChild(this.#options)
    this.#child = child
    // A spare that dies unused is not offered to anybody.
    void child.gone.then(() => {
      if (this.#child === child) this.#child = undefined
    })
  }
}

async function setUp(
  child: Child,
  options: DuckdbProcessOptions,
  signal: AbortSignal,
): Promise<DuckdbProcess> {
  const connection = new Connection(child)
  const {
    folder,
    memoryLimitBytes,
    threads,
    attach = [],
    views = [],
    project,
    maxTempBytes,
    maxExportBytes,
  } = options
  const setup = {
    folder,
    memoryLimitBytes,
    threads,
    attach,
    views,
    ...(project ? { project } : {}),
    ...(maxTempBytes === undefined ? {} : { maxTempBytes }),
    ...(maxExportBytes === undefined ? {} : { maxExportBytes }),
  }
  try {
    await connection.value({ name: 'setup', setup }, signal)
  } catch (error) {
    child.kill()
    await child.gone
    throw error
  }
  return duckdbProcess(child, connection)
}

function duckdbProcess(child: Child, connection: Connection): DuckdbProcess {
  return {
    get pid() {
      return child.pid
    },
    query: async (sql, params, options, signal) =>
      (await connection.text({ name: 'query', sql, params, options }, signal)) ?? '[]',
    stream: async (sql, params, options, signal) => {
      const stream = connection.nextId
      await connection.value({ name: 'stream', sql, params, options }, signal)
      return {
        next: (nextSignal) => connection.text({ name: 'next', stream }, nextSignal),
        close: async () => {
          // A process that is gone has no stream left to close.
          await connection.value({ name: 'closeStream', stream }, never).catch(() => undefined)
        },
      }
    },
    exec: async (sql, params, signal) =>
      (await connection.value({ name: 'exec', sql, params }, signal)) as { rowCount: number },
    beginLoad: async (table, signal) => {
      const load = connection.nextId
      await connection.value({ name: 'beginLoad', table }, signal)
      return {
        add: async (part, partSignal) => {
          await connection.value({ name: 'addPart', load, part }, partSignal)
        },
        finish: async (rowCount, finishSignal) =>
          (await connection.value({ name: 'finishLoad', load, rowCount }, finishSignal)) as {
            rowCount: number
          },
        abandon: async () => {
          // With the process its transaction is gone too.
          await connection.value({ name: 'abandonLoad', load }, never).catch(() => undefined)
        },
      }
    },
    loadQuery: async (load, signal) =>
      (await connection.value({ name: 'loadQuery', ...load }, signal)) as { rowCount: number },
    tables: async (signal) =>
      (await connection.value({ name: 'tables' }, signal)) as readonly TableInfo[],
    describe: async (table, signal) =>
      (await connection.value({ name: 'describe', table }, signal)) as readonly ColumnInfo[],
    exportTable: async (table, file, signal) =>
      (await connection.value({ name: 'export', table, file }, signal)) as {
        rowCount: number
        path: string
        sizeBytes: number
      },
    fingerprint: async (signal) =>
      (await connection.value({ name: 'fingerprint' }, signal)) as DatabaseFingerprint,
    sizes: async (signal) => (await connection.value({ name: 'sizes' }, signal)) as DatabaseSizes,
    prepareCommit: async (marker) =>
      (await connection.value({ name: 'prepareCommit', marker }, never)) as CommitMarker | null,
    commit: async () => {
      // Never interrupted: it ends, or the process does.
      await connection.value({ name: 'commit' }, never)
    },
    findMarker: async (jobId, signal) =>
      (await connection.value({ name: 'findMarker', jobId }, signal)) as CommitMarker | null,
    closeDatabase: async (signal) => {
      await connection.value({ name: 'closeDatabase' }, signal)
    },
    peakMemoryBytes: () => child.peakMemoryBytes(),
    stop: async () => {
      child.kill()
      await child.gone
    },
  }
}
