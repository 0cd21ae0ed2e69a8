import { parseRule, zoneOffsets } from '../cron/index.ts'
import { messageOf } from '../errors/index.ts'
import type { ActiveRuns } from './active-runs.ts'
import { type Decision, noRun } from './decision.ts'
import { decideMissed } from './decide-missed.ts'
import { decideOverlap } from './decide-overlap.ts'
import { type DueOccurrences, dueOccurrences } from './due-occurrences.ts'
import type { DueSchedule } from './due-schedule.ts'
import { jitterOf } from './jitter.ts'

/** What becomes of a schedule that was due. */
export interface Verdict {
  readonly decisions: readonly Decision[]
  /** Jobs that give way. */
  readonly cancelJobIds: readonly string[]
  readonly nextRunAtMs: number | null
  readonly lastScheduledForMs: number | null
  /** Why the schedule switches itself off. */
  readonly pauseReason: string | null
  /** Why its next run cannot be computed. */
  readonly ruleError: string | null
}

export interface DecisionInput {
  readonly nowMs: number
  readonly active: ActiveRuns
  readonly isFailing: boolean
}

/** Decides on all occurrences of a due schedule up to now. Pure. */
export function decide(schedule: DueSchedule, input: DecisionInput): Verdict {
  const { due, ruleError } = readDue(schedule, input.nowMs)
  // Set by hand to an instant that is none: as if nothing had been decided on.
  const last = Date.parse(schedule.lastScheduledFor ?? '') || -Infinity
  // Never back behind what was decided on, whatever happened to the clock or the row.
  const instants = due.instants.filter((instant) => instant > last)
  const verdict = {
    cancelJobIds: [],
    nextRunAtMs: due.next ?? null,
    lastScheduledForMs: instants.at(-1) ?? null,
    pauseReason: null,
    ruleError,
  }
  if (instants.length === 0) return { ...verdict, decisions: [] }
  const refusal = refusalOf(schedule, input)
  if (refusal !== null) {
    const decisions = [noRun('skipped', instants, refusal)]
    return { ...verdict, decisions, pauseReason: input.isFailing ? refusal : null }
  }
  const { toFire, dropped, isCatchUp } = decideMissed(schedule, instants, due.count, input.nowMs)
  const jitterMs = jitterOf(schedule, instants.at(-1) ?? 0, due.next)
  const { decisions, cancelJobIds } = decideOverlap(schedule, {
    candidates: toFire.map((candidate) => ({
      ...candidate,
      runAtMs: Math.max(candidate.scheduledForMs + jitterMs, 0),
    })),
    active: input.active,
    isCatchUp,
  })
  return { ...verdict, decisions: [...dropped, ...decisions], cancelJobIds }
}

function readDue(
  schedule: DueSchedule,
  nowMs: number,
): { readonly due: DueOccurrences; readonly ruleError: string | null } {
  const firstMs = Date.parse(schedule.nextRunAt)
  // Set by hand to -infinity, or to a year before Christ: as if it were to be computed.
  if (!Number.isFinite(firstMs)) {
    return { due: { instants: [], count: 0, next: undefined }, ruleError: null }
  }
  try {
    const rule = parseRule(schedule.cronExpression)
    return {
      due: dueOccurrences(rule, zoneOffsets(schedule.timezone), firstMs, nowMs),
      ruleError: null,
    }
  } catch (error) {
    // What was computed while the rule could be followed is fired; what comes next is open.
    return { due: { instants: [firstMs], count: 1, next: undefined }, ruleError: messageOf(error) }
  }
}

function refusalOf(schedule: DueSchedule, { isFailing }: DecisionInput): string | null {
  if (schedule.isAnalysisActive === false)
    return `the analysis "${schedule.analysisName}" is disabled`
  return isFailing ? `paused: ${schedule.pauseAfterFailures} runs in a row failed` : null
}
