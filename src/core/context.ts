import type { Settings } from './config/index.ts'
import type { Database } from './database/index.ts'
import type { Logger } from './log/index.ts'
import type { Clock } from './os/index.ts'

/**
 * What core's functions work with. A function declares the slice it needs, for example
 * `Pick<Context, 'database' | 'clock'>`, so that a test gives it no more.
 */
export interface Context {
  readonly settings: Settings
  readonly database: Database
  readonly clock: Clock
  readonly log: Logger
  /** Aborted when the operator interrupts the command; its reason is the error to end with. */
  readonly signal: AbortSignal
  readonly operator: Operator
}

/** On whose behalf a change is made; goes into the audit log. */
export interface Operator {
  /** Name of the account or token. */
  readonly actor: string
  readonly source: 'cli' | 'http' | 'scheduler'
}
