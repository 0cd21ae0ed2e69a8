import type { Readable } from 'node:stream'

/** Rows of one table in the form of COPY, as many parts as the source has. */
export interface TableRows {
  readonly table: string
  /** Of the fields of each row, in their order. */
  readonly columns: readonly string[]
  readonly format: 'text' | 'binary'
  readonly parts: readonly RowsPart[]
}

export interface RowsPart {
  /** What messages call it. */
  readonly name: string
  readonly rows: number
  /** Ends with an error when what it reads is damaged. */
  open(): Readable
}
