import type { Logger } from '../../log/index.ts'
import type { BinarySources } from './find-binaries.ts'

export interface PrivatePostgresOptions {
  readonly dataDir: string
  readonly log?: Pick<Logger, 'info'>
  readonly signal?: AbortSignal
  /** What may be done to have it running; `make` unless told, `use` only takes one that runs. */
  readonly privateServer?: 'make' | 'start' | 'use'
  readonly overrides?: PrivatePostgresOverrides
}

/** What is otherwise found out or fixed; tests choose it. */
export interface PrivatePostgresOverrides {
  readonly sources?: BinarySources
  /** Settings of the server, such as `fsync`; they win over ours. */
  readonly serverSettings?: Readonly<Record<string, string>>
  /** Where root keeps the state of a data folder that the server's account cannot enter. */
  readonly relocationFolder?: string
  readonly startTimeoutMs?: number
}
