import type { LockHolder } from './schema-lock.ts'

/** What a run of migrations reports while it goes on. */
export type MigrationProgress =
  | { readonly kind: 'waiting_for_lock'; readonly holders: readonly LockHolder[] }
  | { readonly kind: 'started'; readonly version: string; readonly name: string }
  | {
      readonly kind: 'finished'
      readonly version: string
      readonly name: string
      readonly executionTimeMs: number
    }
  | {
      /** A statement gave up its wait for a lock, so that others may pass, and is tried again. */
      readonly kind: 'retrying'
      readonly version: string
      readonly tries: number
      readonly blockers: readonly LockHolder[]
    }
  | {
      /** An index that a dead or failed CREATE INDEX CONCURRENTLY had left was dropped. */
      readonly kind: 'invalid_index_dropped'
      readonly version: string
      readonly index: string
    }

export type OnProgress = (event: MigrationProgress) => void

/** How long statements wait for locks. */
export interface LockPolicy {
  /** Waiting for a table lock blocks everyone behind it, claims too: a statement gives up soon. */
  readonly waitMs: number
  readonly tries: number
  /** Pause after the first try; doubles, with jitter. */
  readonly pauseMs: number
  /**
   * For statements that refuse a transaction. They wait for old transactions to end and block no
   * reads or writes meanwhile, and giving up throws away the index built so far.
   */
  readonly concurrentWaitMs: number
}

export const defaultLockPolicy: LockPolicy = {
  waitMs: 2000,
  tries: 5,
  pauseMs: 500,
  concurrentWaitMs: 600_000,
}
