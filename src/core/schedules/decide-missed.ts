import { formatDuration } from '../units/index.ts'
import { type Decision, graceMs, noRun } from './decision.ts'
import type { DueSchedule } from './due-schedule.ts'

/** An occurrence that shall run, unless an earlier run is in its way. */
export interface Candidate {
  readonly scheduledForMs: number
  readonly missedCount: number
  readonly missedFromMs: number | null
}

interface MissedOutcome {
  readonly toFire: readonly Candidate[]
  readonly dropped: readonly Decision[]
  /** Each missed occurrence shall run: they go one after another. */
  readonly isCatchUp: boolean
}

/** More would flood the queue after a long outage. */
const mostCaughtUp = 100

/**
 * Applies the policy for missed occurrences. `instants` ascend and end at the last one up to now;
 * `count` is how many there were, if `instants` is only their end.
 */
export function decideMissed(
  { missedPolicy, catchUpWindowMs }: DueSchedule,
  instants: readonly number[],
  count: number,
  nowMs: number,
): MissedOutcome {
  const missed = instants.filter((instant) => instant < nowMs - graceMs)
  const inTime = instants.slice(missed.length).map(plain)
  if (missed.length === 0) return { toFire: inTime, dropped: [], isCatchUp: false }
  const uncounted = Math.max(0, count - instants.length)
  const inWindow = missed.filter((instant) => instant >= nowMs - catchUpWindowMs)
  const tooOld = `missed by more than the catch-up window of ${formatDuration(catchUpWindowMs)}`
  switch (missedPolicy) {
    case 'skip': {
      const reason = 'missed: nobody fired it in time, and the policy is skip'
      const dropped = [noRun('missed', missed, reason, missed.length + uncounted)]
      return { toFire: inTime, dropped, isCatchUp: false }
    }
    case 'once': {
      // One job for the latest: the one in time, if there is one, stands for those before it.
      const latest = inTime.at(-1)?.scheduledForMs ?? inWindow.at(-1)
      if (latest === undefined) {
        const dropped = [noRun('missed', missed, tooOld, missed.length + uncounted)]
        return { toFire: [], dropped, isCatchUp: false }
      }
      const one = {
        scheduledForMs: latest,
        missedCount: missed.length + uncounted,
        missedFromMs: missed[0] ?? null,
      }
      return { toFire: [one], dropped: [], isCatchUp: false }
    }
    case 'all': {
      const caughtUp = inWindow.slice(-mostCaughtUp)
      const left = missed.slice(0, missed.length - caughtUp.length)
      const reason =
        inWindow.length > caughtUp.length
          ? `missed: no more than ${mostCaughtUp} are caught up with`
          : tooOld
      return {
        toFire: [
          ...caughtUp.map((instant) => ({
            ...plain(instant),
            missedCount: 1,
            missedFromMs: instant,
          })),
          ...inTime,
        ],
        dropped: left.length > 0 ? [noRun('missed', left, reason, left.length + uncounted)] : [],
        isCatchUp: true,
      }
    }
  }
}

const plain = (scheduledForMs: number): Candidate => ({
  scheduledForMs,
  missedCount: 0,
  missedFromMs: null,
})
