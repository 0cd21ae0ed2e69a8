import type { ActiveRuns } from './active-runs.ts'
import type { Candidate } from './decide-missed.ts'
import type { Decision } from './decision.ts'
import type { DueSchedule } from './due-schedule.ts'

/** Runs that may wait for each other; more is a schedule that cannot keep up. */
const mostWaiting = 1000

interface OverlapInput {
  readonly candidates: readonly (Candidate & { readonly runAtMs: number })[]
  readonly active: ActiveRuns
  readonly isCatchUp: boolean
}

interface OverlapOutcome {
  readonly decisions: readonly Decision[]
  readonly cancelJobIds: readonly string[]
}

/** Applies the policy for runs that meet an earlier one which has not ended. */
export function decideOverlap(
  { overlapPolicy, analysisId }: DueSchedule,
  { candidates, active, isCatchUp }: OverlapInput,
): OverlapOutcome {
  switch (overlapPolicy) {
    case 'allow':
      return { decisions: candidates.map((one) => fire(one, false)), cancelJobIds: [] }
    case 'cancel-other': {
      const decisions = candidates.map((one, index) =>
        index === candidates.length - 1
          ? fire(one, false)
          : refuse(one, 'a later occurrence came at the same time'),
      )
      return { decisions, cancelJobIds: candidates.length > 0 ? active.jobIds : [] }
    }
    case 'skip':
      // Who wants each missed occurrence to run wants them one after another.
      if (isCatchUp) return queue(candidates, active)
      return { decisions: skip(candidates, active, analysisId === null), cancelJobIds: [] }
    case 'queue':
      return queue(candidates, active)
  }
}

function queue(candidates: OverlapInput['candidates'], active: ActiveRuns): OverlapOutcome {
  let isBusy = active.jobIds.length + active.waiting > 0
  let { waiting } = active
  const decisions = candidates.map((one) => {
    if (!isBusy) {
      isBusy = true
      return fire(one, false)
    }
    if (waiting >= mostWaiting) return refuse(one, `${mostWaiting} runs wait already`)
    waiting += 1
    return fire(one, true)
  })
  return { decisions, cancelJobIds: [] }
}

function skip(
  candidates: OverlapInput['candidates'],
  { jobIds, waiting }: ActiveRuns,
  isTask: boolean,
): Decision[] {
  const other = jobIds[0]
  if (other !== undefined || waiting > 0) {
    const what = isTask ? 'the run before it' : `job ${other ?? 'before it'}`
    return candidates.map((one) => refuse(one, `${what} has not ended`))
  }
  return candidates.map((one, index) =>
    index === 0 ? fire(one, false) : refuse(one, 'an earlier occurrence came at the same time'),
  )
}

function fire(candidate: OverlapInput['candidates'][number], isWaiting: boolean): Decision {
  const { scheduledForMs, missedCount, missedFromMs, runAtMs } = candidate
  const words = missedCount === 0 ? [] : [`for ${missedCount} missed`]
  if (isWaiting) words.push('waits for an earlier run')
  return {
    scheduledForMs,
    decision: 'fired',
    reason: words.length > 0 ? words.join(', ') : null,
    missedCount,
    missedFromMs,
    job: { runAtMs, isWaiting },
  }
}

function refuse(
  { scheduledForMs, missedCount, missedFromMs }: Candidate,
  reason: string,
): Decision {
  return { scheduledForMs, decision: 'skipped', reason, missedCount, missedFromMs, job: null }
}
