import type { Confiner } from '../confine/index.ts'

/** The public types of the DuckDB module and of everything else that answers with rows. */

/** Formats of input files. */
export type FileFormat = 'csv' | 'json' | 'jsonl' | 'parquet'

/** A DuckDB file that the job may read, known to its SQL under `name`. */
export interface AttachedDatabase {
  readonly name: string
  readonly path: string
}

/**
 * A project's persistent database, known to SQL as `project`. `write`: it is the main one, all that the
 * process does is one transaction, and nothing of it stays unless `commit` is called.
 */
export interface ProjectDatabase {
  /** In a folder of its own, which DuckDB's account may write in: its log lies beside it. */
  readonly path: string
  readonly use: 'read' | 'write'
}

/** Proof in the database that the transaction of a job was committed, with what the job came to. */
export interface CommitMarker {
  readonly jobId: string
  readonly leaseToken: string
  /** Text for whoever wrote it. */
  readonly outcome: string
}

/** What a table of a database takes on disk. */
export interface TableSize {
  readonly schema: string
  readonly name: string
  /** An estimate. */
  readonly rowCount: number
  readonly columnCount: number
  /** Of the blocks it uses, shared ones included. */
  readonly sizeBytes: number
}

export interface DatabaseSizes {
  readonly storageVersion: string | null
  readonly blockSizeBytes: number
  readonly usedBlocks: number
  readonly freeBlocks: number
  readonly tables: readonly TableSize[]
}

/** What a table of the project's database holds. */
export interface TableFingerprint {
  readonly schema: string
  readonly name: string
  readonly rows: number
  /** Sum of the hashes of its rows, decimal; differs between versions of DuckDB. */
  readonly fingerprint: string
}

export interface DatabaseFingerprint {
  readonly duckdbVersion: string
  readonly tables: readonly TableFingerprint[]
}

/** Files that the job may read as the view `name`; they lie inside the job's folder. */
export interface FileView {
  readonly name: string
  readonly files: readonly string[]
  readonly format: FileFormat
}

export interface DuckdbProcessOptions {
  /** The job's own folder, mode 0700, existing; everything DuckDB spills or exports goes there. */
  readonly folder: string
  /** DuckDB's memory_limit; the process may use about 400 MB more before the kernel refuses it. */
  readonly memoryLimitBytes: number
  readonly threads: number
  readonly nodePath: string
  readonly entryPath: string
  /** Opened read-only. */
  readonly attach?: readonly AttachedDatabase[]
  readonly views?: readonly FileView[]
  readonly project?: ProjectDatabase
  /** Numeric account of the process; needs root, and the folder must belong to it. */
  readonly uid?: number
  /** Leaves it no network and no file but Node, the folder and what is attached. */
  readonly confiner?: Confiner
  /** Most bytes DuckDB may spill to disk; 10 GB unless told. */
  readonly maxTempBytes?: number
  /** Most bytes of all files it exports; 10 GB unless told. */
  readonly maxExportBytes?: number
}

export interface RowOptions {
  /** Decimals as strings with all their digits instead of the nearest number. */
  readonly exact?: boolean
  /** A query with more rows fails; nothing is ever cut off silently. */
  readonly maxRows?: number
  /** Most bytes of JSON text in one answer; 48 MB unless told. */
  readonly maxBytes?: number
}

export interface DuckdbRowOptions extends RowOptions {
  /** The attached database in which unqualified names are looked up; the scratch one unless told. */
  readonly catalog?: string
}

/** Rows in batches; the next batch is produced when it is asked for. */
export interface RowStream {
  /** JSON text of an array of row objects, or null after the last row. */
  next(signal: AbortSignal): Promise<string | null>
  /** Ends the stream early or late; safe to repeat. */
  close(): Promise<void>
}

/** A column of a CSV file: how DuckDB reads it and, where that is not enough, what becomes of it. */
export interface CsvColumn {
  readonly name: string
  /** Type in which `read_csv` reads the field. */
  readonly readAs: string
  /** Expression over the field `$field` that makes the final value; the field itself unless told. */
  readonly expression?: string
  /** Digits decide the type: read as text, becomes DECIMAL(38, largest scale found), or is refused. */
  readonly isOpenDecimal?: boolean
}

/** Some of a load's rows: a CSV file without a header, NULL as unquoted `\N`, in the job's folder. */
export interface CsvPart {
  readonly path: string
  /** The same names and final types in every part; the way to read them may differ. */
  readonly columns: readonly CsvColumn[]
  /** Bytes of the longest row. */
  readonly maxRowBytes: number
}

/**
 * A table in the making, all of it or nothing. Other statements on the job's own database wait
 * until it is finished or abandoned.
 */
export interface CsvLoad {
  /** Reads the part; its file may be deleted only after `finish`. */
  add(part: CsvPart, signal: AbortSignal): Promise<void>
  /** Commits if the table has exactly as many rows as were written. */
  finish(rowCount: number, signal: AbortSignal): Promise<{ rowCount: number }>
  /** Rolls back what is not finished; safe to repeat. */
  abandon(): Promise<void>
}

export interface TableInfo {
  readonly database: string
  readonly schema: string
  readonly name: string
  readonly kind: 'table' | 'view'
}

export interface ColumnInfo {
  readonly name: string
  readonly type: string
  readonly isNullable: boolean
}

/**
 * One DuckDB instance in a process of its own, for one job. Every method rejects with KilnError
 * DATASOURCE_ERROR when DuckDB refuses or the process dies, and with the signal's reason when it is
 * aborted: the statement is interrupted and, if that has no effect within a second, the process is
 * killed.
 */
export interface DuckdbProcess {
  readonly pid: number
  /** JSON text of the array of rows; the mapping is in docs/datasources.md. */
  query(
    sql: string,
    params: readonly unknown[],
    options: DuckdbRowOptions,
    signal: AbortSignal,
  ): Promise<string>
  stream(
    sql: string,
    params: readonly unknown[],
    options: DuckdbRowOptions & { readonly batchSize: number },
    signal: AbortSignal,
  ): Promise<RowStream>
  /** Rows changed by a statement; 0 for one that changes none. */
  exec(sql: string, params: readonly unknown[], signal: AbortSignal): Promise<{ rowCount: number }>
  /** Begins to create a table from CSV files, in one transaction. */
  beginLoad(table: string, signal: AbortSignal): Promise<CsvLoad>
  /** Creates the table from a query over an attached database or a view. */
  loadQuery(
    load: {
      readonly sql: string
      readonly params: readonly unknown[]
      readonly table: string
      readonly catalog?: string
    },
    signal: AbortSignal,
  ): Promise<{ rowCount: number }>
  tables(signal: AbortSignal): Promise<readonly TableInfo[]>
  describe(table: string, signal: AbortSignal): Promise<readonly ColumnInfo[]>
  /** Writes a table or view to a new file in the job's folder; the format follows the extension. */
  exportTable(
    table: string,
    file: string,
    signal: AbortSignal,
  ): Promise<{ rowCount: number; path: string; sizeBytes: number }>
  /** What the project's database takes on disk. */
  sizes(signal: AbortSignal): Promise<DatabaseSizes>
  /** Reads every row of the project's database, Kiln's own tables in it included. */
  fingerprint(signal: AbortSignal): Promise<DatabaseFingerprint>
  /**
   * Puts the marker into the transaction. If the job has one from before, which stands then, that is
   * returned, and the transaction must not be committed.
   */
  prepareCommit(marker: CommitMarker): Promise<CommitMarker | null>
  /** Commits what was prepared. If it rejects, only the database knows whether it was committed. */
  commit(): Promise<void>
  /** The marker of a job; null when its transaction was never committed. */
  findMarker(jobId: string, signal: AbortSignal): Promise<CommitMarker | null>
  /** Closes the database in good order, so that its log is merged into its file. */
  closeDatabase(signal: AbortSignal): Promise<void>
  /** Peak resident memory so far, in bytes; 0 where unknown. */
  peakMemoryBytes(): number
  /** Kills the process and waits until it is gone; safe to repeat. */
  stop(): Promise<void>
}
