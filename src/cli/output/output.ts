import type { KilnError } from '../../core/errors/index.ts'

/** Anything that JSON can say. Field names are snake_case by the time they are here. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json }

export type JsonObject = { readonly [key: string]: Json }

/** A column of a table: its header, its text, and whether only `-o wide` shows it. */
export interface Column<Item> {
  readonly header: string
  readonly text: (item: Item) => string
  readonly isWide?: boolean
}

/**
 * What a command has to say. One shape for all formats, so that no command renders by itself:
 * - `list`: many of the same, perhaps the first page of more;
 * - `record`: one object;
 * - `value`: a JSON value that is the output itself, such as the result of a job.
 */
export type Output = ListOutput | RecordOutput | ValueOutput

interface Outcome {
  /** Ends the command with this error after the output is written: the answer is there, and is no. */
  readonly error?: KilnError
  /** Exit code without an error, for answers such as "not running". */
  readonly exitCode?: number
}

export interface ListOutput extends Outcome {
  readonly kind: 'list'
  readonly items: readonly JsonObject[]
  readonly columns: readonly Column<JsonObject>[]
  /** Readable form that is not a table, one text an item. */
  readonly lines?: readonly string[]
  readonly nextCursor?: string | null
  /** Fields about the whole list, beside `items` in JSON. */
  readonly summary?: JsonObject
  /** What `-o name` prints for an item; nothing for an empty text. */
  readonly name: (item: JsonObject) => string
  /** Said on stderr when there is nothing. */
  readonly empty?: string
}

export interface RecordOutput extends Outcome {
  readonly kind: 'record'
  readonly record: JsonObject
  /** Label and text pairs of the readable form; undefined: every field of the record. */
  readonly fields?: readonly (readonly [string, string])[]
  /** A readable form that is not label and text, such as a script or a diff. */
  readonly text?: string
  readonly name: string
}

export interface ValueOutput extends Outcome {
  readonly kind: 'value'
  /** JSON text, printed as it is or indented. */
  readonly json: string
  /** Readable form; undefined: the indented JSON. */
  readonly text?: string
  /** True when that is JSON, too. */
  readonly isTextJson?: boolean
  /** CSV, of a value that is rows. */
  readonly csv?: string
  readonly name: string
}
