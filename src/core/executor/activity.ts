/** How an executor does, as seen from its own process. */
export interface ExecutorActivity {
  readonly runningJobs: number
  /** True when an operator drains it, or when it was declared dead. */
  readonly isDraining: boolean
  /** The database refuses its claims, or does not answer. */
  readonly isClaimFailing: boolean
  /** Since its claim loop last went round; it does so at least once per poll interval. */
  readonly passAgeMs: number
  /** Since it last began a heartbeat; it does so every 2 s, also while the database is away. */
  readonly beatAgeMs: number
}
