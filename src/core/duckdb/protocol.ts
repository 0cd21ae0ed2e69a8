import type { CommitMarker, CsvPart, DuckdbProcessOptions, DuckdbRowOptions } from './contract.ts'

/** The part of the options that crosses the pipe. */
export type Setup = Pick<
  DuckdbProcessOptions,
  | 'folder'
  | 'memoryLimitBytes'
  | 'threads'
  | 'attach'
  | 'views'
  | 'project'
  | 'maxTempBytes'
  | 'maxExportBytes'
>

export interface Statement {
  readonly sql: string
  readonly params: readonly unknown[]
}

/** What Kiln asks of a DuckDB process; the names are those of `DuckdbProcess`. */
export type Operation =
  | { readonly name: 'setup'; readonly setup: Setup }
  | ({ readonly name: 'query'; readonly options: DuckdbRowOptions } & Statement)
  | ({
      readonly name: 'stream'
      readonly options: DuckdbRowOptions & { readonly batchSize: number }
    } & Statement)
  | { readonly name: 'next' | 'closeStream'; readonly stream: number }
  | ({ readonly name: 'exec' } & Statement)
  | { readonly name: 'beginLoad'; readonly table: string }
  | { readonly name: 'addPart'; readonly load: number; readonly part: CsvPart }
  | { readonly name: 'finishLoad'; readonly load: number; readonly rowCount: number }
  | { readonly name: 'abandonLoad'; readonly load: number }
  | ({
      readonly name: 'loadQuery'
      readonly table: string
      readonly catalog?: string
    } & Statement)
  | { readonly name: 'tables' }
  | { readonly name: 'describe'; readonly table: string }
  | { readonly name: 'export'; readonly table: string; readonly file: string }
  | { readonly name: 'sizes' | 'fingerprint' | 'commit' | 'closeDatabase' }
  | { readonly name: 'prepareCommit'; readonly marker: CommitMarker }
  | { readonly name: 'findMarker'; readonly jobId: string }
  | { readonly name: 'cancel'; readonly request: number }

/** The head of a frame to the process. */
export interface Request {
  readonly id: number
  readonly operation: Operation
}

/** The head of a frame from the process; rows are the frame's body. Hostile until checked. */
export interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly isText?: boolean
  readonly error?: string
  /** The error is that an earlier one has undone the transaction. */
  readonly isAborted?: boolean
}
