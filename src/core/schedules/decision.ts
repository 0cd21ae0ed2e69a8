import type { OccurrenceDecision } from './schedule.ts'

/** What becomes of one occurrence. */
export interface Decision {
  readonly scheduledForMs: number
  readonly decision: OccurrenceDecision
  readonly reason: string | null
  /** Occurrences that this one stands for because nobody fired them in time; 0: it was in time. */
  readonly missedCount: number
  readonly missedFromMs: number | null
  /** The job to make, if any. */
  readonly job: {
    readonly runAtMs: number
    /** It waits for an earlier run. */
    readonly isWaiting: boolean
  } | null
}

/** Later than so much is missed, not late: a restart or a busy database is no outage. */
export const graceMs = 60_000

/** One row for occurrences that do not run: the last of them, with how many it stands for. */
export function noRun(
  decision: 'skipped' | 'missed',
  instants: readonly number[],
  reason: string,
  count = instants.length,
): Decision {
  return {
    scheduledForMs: instants.at(-1) ?? 0,
    decision,
    reason,
    missedCount: decision === 'missed' || count > 1 ? count : 0,
    missedFromMs: decision === 'missed' || count > 1 ? (instants[0] ?? null) : null,
    job: null,
  }
}
