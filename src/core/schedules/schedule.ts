import type { Selectable } from 'kysely'
import type { DB } from '../database/index.ts'

export const missedPolicies = ['once', 'skip', 'all'] as const
/** What becomes of occurrences that nobody fired in time. */
export type MissedPolicy = (typeof missedPolicies)[number]

export const overlapPolicies = ['skip', 'queue', 'allow', 'cancel-other'] as const
/** What becomes of an occurrence while an earlier run of the schedule has not ended. */
export type OverlapPolicy = (typeof overlapPolicies)[number]

type ScheduleRow = Selectable<DB['analysisSchedules']>
type TaskRow = Selectable<DB['analysisTasks']>

interface ScheduleBase extends Omit<
  ScheduleRow,
  'analysisId' | 'missedPolicy' | 'overlapPolicy' | 'origin' | 'declared'
> {
  readonly missedPolicy: MissedPolicy
  readonly overlapPolicy: OverlapPolicy
}

/** A row of `analysis_schedules` with the names people know its analysis by. */
export interface AnalysisSchedule extends ScheduleBase {
  readonly task: null
  /** `script`: its definition declares it, and an operator may have edited it since. */
  readonly origin: 'operator' | 'script'
  readonly analysisId: string
  readonly analysisName: string
  readonly projectId: string
  /** False: the analysis is disabled, and so nothing fires. */
  readonly isAnalysisActive: boolean
}

/** A schedule of Kiln itself, which runs one of its tasks; a setting makes it. */
export interface SystemSchedule extends ScheduleBase, Omit<TaskRow, 'scheduleId'> {
  readonly origin: 'system'
  readonly analysisId: null
  readonly analysisName: null
  readonly projectId: null
  readonly isAnalysisActive: null
  /** A service that takes part in it is running. */
  readonly isAttended: boolean
}

export type Schedule = AnalysisSchedule | SystemSchedule

/** How a schedule is called: `project/analysis`, or `system:task`. */
export const scheduleName = (schedule: Schedule): string =>
  schedule.task === null
    ? `${schedule.projectId}/${schedule.analysisName}`
    : `system:${schedule.task}`

/** Decisions on an occurrence; `reason` says more. */
export type OccurrenceDecision = 'fired' | 'skipped' | 'missed' | 'backfilled'

/** Where a run of a system schedule's task stands. */
export type TaskStatus = 'pending' | 'running' | 'completed' | 'failed'
