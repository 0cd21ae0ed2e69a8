import path from 'node:path'
import { freeAccount } from '../confine/index.ts'
import type { Context } from '../context.ts'
import {
  type PostgresDatasource,
  type ResolvedDatasource,
  loadIntoDuckdb,
  openPostgresDatasource,
  resolveDatasource,
} from '../datasources/index.ts'
import { type CommitMarker, type DuckdbProcess, startDuckdbProcess } from '../duckdb/index.ts'
import { type DataFolder, processEntry, projectDatabasePath } from '../os/index.ts'
import type { WallStats } from '../sandbox/index.ts'
import { duckdbWalls } from './duckdb-walls.ts'
import { HostFailure } from './host-failure.ts'
import { type JobFolder, createJobFolder } from './job-folder.ts'
import { giveProjectDatabase } from './give-project-database.ts'
import { openWhenFree } from './open-when-free.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'

/** DuckDB uses this many threads per job: several jobs share a machine. */
const duckdbThreads = 2

export interface JobDataOptions {
  readonly context: Pick<Context, 'settings' | 'database'>
  readonly dataFolder: DataFolder
  readonly jobId: string
  /** Of the job; what no job has is the first. */
  readonly attempt?: number
  readonly projectId: string
  /** Names the script declares; nothing else is within its reach. */
  readonly datasources: readonly string[]
  readonly memoryBytes: number
  /** What its DuckDB has of its project's database; the caller holds a slot for that. */
  readonly database?: 'read' | 'write'
  /** What stands around sandboxes here, and so around the DuckDB process. */
  readonly walls: WallStats
  /** In place of the project's datasources, by name: all that are declared, as a test gives them. */
  readonly sources?: ReadonlyMap<string, ResolvedDatasource>
}

/**
 * The data one job may touch: its declared datasources, and its own DuckDB process. Each is opened
 * when first used, and all of it is closed with the job.
 */
export class JobData {
  private readonly options: JobDataOptions
  private readonly resolved = new Map<string, Promise<ResolvedDatasource>>()
  private readonly postgres = new Map<string, PostgresDatasource>()
  private folder: Promise<JobFolder> | undefined
  private duckdbProcess: Promise<DuckdbProcess> | undefined
  /** The account of the DuckDB process, if not ours. */
  private uid: number | undefined
  private isClosed = false

  constructor(options: JobDataOptions) {
    this.options = options
  }

  /**
   * What a declared name stands for. While Kiln's database is away it waits, until the signal is
   * aborted: that of the calls of this job, which is the same for all.
   */
  resolve(name: string, signal: AbortSignal): Promise<ResolvedDatasource> {
    if (!this.options.datasources.includes(name)) {
      throw new HostFailure(
        'dependency_error',
        `datasource "${name}" is not declared in dependencies.datasources`,
      )
    }
    const { context, projectId, sources } = this.options
    const given = sources?.get(name)
    if (given) return Promise.resolve(given)
    let found = this.resolved.get(name)
    if (!found) {
      const read = () => resolveDatasource(context, projectId, name)
      found = retryWhileDatabaseIsAway(read, { signal })
      this.resolved.set(name, found)
    }
    return found
  }

  async postgresDatasource(name: string, connectionString: string): Promise<PostgresDatasource> {
    let datasource = this.postgres.get(name)
    if (!datasource) {
      datasource = openPostgresDatasource({
        connection: connectionString,
        label: `datasource "${name}"`,
        statementTimeoutMs: this.options.context.settings.queryTimeoutMs,
        applicationName: `kiln job ${this.options.jobId}`,
      })
      this.postgres.set(name, datasource)
    }
    return datasource
  }

  /** The job's DuckDB, with every declared file and DuckDB datasource in it. */
  duckdb(signal: AbortSignal): Promise<DuckdbProcess> {
    this.duckdbProcess ??= this.startDuckdb(this.options.database, signal)
    return this.duckdbProcess
  }

  /** The DuckDB whose transaction is to be committed; undefined when the job has written nothing. */
  async writer(): Promise<DuckdbProcess | undefined> {
    if (this.options.database !== 'write') return undefined
    // One that did not start has written nothing.
    return this.duckdbProcess?.catch(() => undefined)
  }

  /**
   * Whether the job's transaction was committed, as the database itself says, read by a new process
   * when the one that may have committed it is gone.
   */
  async readMarker(jobId = this.options.jobId): Promise<CommitMarker | null> {
    const before = await this.duckdbProcess?.catch(() => undefined)
    await before?.stop()
    const { signal } = new AbortController()
    this.duckdbProcess = this.startDuckdb('read', signal, [])
    const duckdb = await this.duckdbProcess
    return duckdb.findMarker(jobId, signal)
  }

  /** `ctx.duckdb.load`. */
  async load(
    request: { datasource: string; sql: string; table: string; params: readonly unknown[] },
    signal: AbortSignal,
  ): Promise<{ rowCount: number }> {
    const source = await this.resolve(request.datasource, signal)
    const duckdb = await this.duckdb(signal)
    const { sql, params, table } = request
    if (source.type !== 'postgres') {
      const catalog = source.type === 'duckdb' ? { catalog: request.datasource } : {}
      return duckdb.loadQuery({ sql, params, table, ...catalog }, signal)
    }
    const postgres = await this.postgresDatasource(request.datasource, source.connectionString)
    const { path: folder } = await this.jobFolder()
    const owner = this.uid === undefined ? {} : { uid: this.uid }
    return loadIntoDuckdb(postgres, { duckdb, folder, ...owner, sql, params, table }, signal)
  }

  async peakMemoryBytes(): Promise<number> {
    const process = await this.duckdbProcess?.catch(() => undefined)
    return process?.peakMemoryBytes() ?? 0
  }

  /** Ends connections and the DuckDB process, and deletes the folder. */
  async close(): Promise<void> {
    this.isClosed = true
    const duckdb = await this.duckdbProcess?.catch(() => undefined)
    await Promise.allSettled([
      duckdb?.stop(),
      ...[...this.postgres.values()].map((datasource) => datasource.close()),
    ])
    const folder = await this.folder?.catch(() => undefined)
    await folder?.remove()
    freeAccount(this.uid)
  }

  private jobFolder(): Promise<JobFolder> {
    this.folder ??= createJobFolder(this.options.dataFolder, {
      jobId: this.options.jobId,
      attempt: this.options.attempt ?? 1,
    })
    return this.folder
  }

  private async startDuckdb(
    use: 'read' | 'write' | undefined,
    signal: AbortSignal,
    datasources = this.options.datasources,
  ): Promise<DuckdbProcess> {
    const folder = await this.jobFolder()
    const attach: { name: string; path: string }[] = []
    const views: {
      name: string
      files: string[]
      format: Extract<ResolvedDatasource, { type: 'file' }>['format']
    }[] = []
    for (const name of datasources) {
      const source = await this.resolve(name, signal)
      if (source.type === 'duckdb') {
        attach.push({ name, path: source.path })
      } else if (source.type === 'file') {
        const files = await Promise.all(
          source.files.map((file, index) =>
            folder.takeIn(file, `${name}/${index}-${path.basename(file)}`),
          ),
        )
        views.push({ name, files, format: source.format })
      }
    }
    const { walls, dataFolder } = this.options
    const attached = attach.map(({ path: file }) => file)
    const file = projectDatabasePath(dataFolder, this.options.projectId)
    const { uid, confiner } = await duckdbWalls(
      walls,
      dataFolder,
      attached,
      use && ((hasOwnAccount) => giveProjectDatabase(file, hasOwnAccount)),
    )
    this.uid = uid
    if (uid !== undefined) await folder.giveTo(uid)
    const options = {
      folder: folder.path,
      memoryLimitBytes: this.options.memoryBytes,
      threads: duckdbThreads,
      nodePath: process.execPath,
      entryPath: processEntry('duckdb'),
      attach,
      views,
      ...(use ? { project: { path: file, use } } : {}),
      ...(uid === undefined ? {} : { uid }),
      ...(confiner ? { confiner } : {}),
    }
    if (!use) return startDuckdbProcess(options)
    return openWhenFree(() => startDuckdbProcess(options), { isWanted: () => !this.isClosed })
  }
}
