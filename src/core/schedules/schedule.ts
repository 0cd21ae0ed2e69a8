import type { Selectable } from 'kysely'
import type { DB } from '../database/index.ts'

export const missedPolicies = ['once', 'skip', 'all'] as const
/** What becomes of occurrences that nobody fired in time. */
export type MissedPolicy = (typeof missedPolicies)[number]

export const overlapPolicies = ['skip', 'queue', 'allow', 'cancel-other'] as const
/** What becomes of an occurrence while an earlier run of the schedule has not ended. */
export type OverlapPolicy = (typeof overlapPolicies)[number]

type ScheduleRow = Selectable<DB['analysisSchedules']>

/** A row of `analysis_schedules` with the names people know its analysis by. */
export interface Schedule extends Omit<
  ScheduleRow,
  'missedPolicy' | 'overlapPolicy' | 'origin' | 'declared'
> {
  readonly missedPolicy: MissedPolicy
  readonly overlapPolicy: OverlapPolicy
  /** `script`: its definition declares it, and an operator may have edited it since. */
  readonly origin: 'operator' | 'script'
  readonly analysisName: string
  readonly projectId: string
  /** False: the analysis is disabled, and so nothing fires. */
  readonly isAnalysisActive: boolean
}

/** Decisions on an occurrence; `reason` says more. */
export type OccurrenceDecision = 'fired' | 'skipped' | 'missed' | 'backfilled'
