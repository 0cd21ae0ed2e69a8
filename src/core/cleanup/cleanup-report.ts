/** What cleanup may remove, in the order in which it does. */
export const cleanupKinds = [
  'results',
  'logs',
  'jobs',
  'occurrences',
  'executors',
  'orphans',
  'tmp',
  'job-folders',
] as const
export type CleanupKind = (typeof cleanupKinds)[number]

export interface CleanupInput {
  /** Only these; all of them unless told. */
  readonly kinds?: readonly CleanupKind[]
  /** Count what would go, and change nothing. */
  readonly dryRun?: boolean
  /** Age of all rows that go, in place of the retention of each kind. */
  readonly olderThanMs?: number
  /** No batch begins after this; what is left goes with the next cleanup. */
  readonly maxDurationMs?: number
  /** Most jobs, or other rows, of one transaction. */
  readonly batchSize?: number
  /** Called after each batch with what has gone so far. */
  readonly onProgress?: (kind: CleanupKind, count: number) => void
}

/** One kind of things, and what became of it. */
export interface CleanupItem {
  readonly kind: CleanupKind
  /** What goes, in one sentence that names the limit in force. */
  readonly rule: string
  /** Rows, or files and folders; in a dry run those that would go. */
  readonly count: number
  /** Files that went along with rows, and what they took; for kinds of files the same as `count`. */
  readonly files: number
  readonly bytes: number
  /**
   * `unfinished`: the time was over; `elsewhere`: another cleanup is at it; `blocked`: the machine or
   * the database did not let all of it go, see `problems`.
   */
  readonly state: 'done' | 'unfinished' | 'elsewhere' | 'blocked'
}

export interface CleanupReport {
  readonly items: readonly CleanupItem[]
  /** What could not be removed or looked at, and why; at most `mostProblems` are named. */
  readonly problems: readonly string[]
  readonly problemCount: number
  /** Said to the operator, and no failure. */
  readonly notes: readonly string[]
  /** Tables that got a VACUUM ANALYZE. */
  readonly vacuumedTables: readonly string[]
  readonly durationMs: number
}

/** So many name the trouble; a folder that is read only would fill the screen. */
const mostProblems = 20

/** Collects what goes wrong on the way: one file that stays keeps no other from going. */
export class Problems {
  readonly named: string[] = []
  count = 0

  add(problem: string): void {
    this.count += 1
    if (this.named.length < mostProblems) this.named.push(problem)
  }
}
