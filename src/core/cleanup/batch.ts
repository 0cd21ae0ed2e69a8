import type { Queries } from '../database/index.ts'

/** A result that is a file, as its row named it. */
export interface NamedFile {
  readonly storagePath: string
  readonly dataFolderId: string | null
  readonly sizeBytes: number
}

/** What one batch took, or would take. */
export interface Batch {
  readonly count: number
  readonly files: readonly NamedFile[]
  /** Where the next batch begins; undefined after the last one. */
  readonly next: Cursor | undefined
}

/**
 * The last row looked at: its time and the rest of its key. Without it each batch would step over the
 * dead index entries of all before it.
 */
export interface Cursor {
  readonly at: string
  readonly key: string
}

export interface BatchInput {
  /** Rows before it, in milliseconds of age by the database's clock at the start. */
  readonly before: string
  readonly after: Cursor | undefined
  readonly limit: number
  readonly dryRun: boolean
  /** In a dry run: results before it have been counted, as they would be gone by now. */
  readonly countedBefore?: string | undefined
}

/** One kind of rows: a statement that takes, or counts, the next batch of it. */
export interface RowStep {
  readonly table: string
  /** Results that are files go with the rows. */
  readonly hasFiles?: boolean
  /** Tables in which rows go along. */
  readonly alongTables?: readonly string[]
  readonly take: (transaction: Queries, input: BatchInput) => Promise<Batch>
}
