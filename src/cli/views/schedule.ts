import { type OccurrencePreview, describeRule, parseRule } from '../../core/cron/index.ts'
import {
  type Schedule,
  type SystemSchedule,
  type TaskRun,
  scheduleName,
} from '../../core/schedules/index.ts'
import { formatDuration } from '../../core/units/index.ts'
import type { Column, Json, JsonObject, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'
import { occurrenceJson } from './occurrence.ts'

/** A schedule as commands print it. */
export function scheduleJson(schedule: Schedule): JsonObject {
  return {
    id: schedule.id,
    analysis_id: schedule.analysisId,
    analysis_name: schedule.analysisName,
    project_id: schedule.projectId,
    system: schedule.task !== null,
    task: schedule.task,
    cron_expression: schedule.cronExpression,
    timezone: schedule.timezone,
    enabled: schedule.enabled,
    next_run_at: schedule.nextRunAt,
    last_run_at: schedule.lastRunAt,
    last_scheduled_for: schedule.lastScheduledFor,
    last_decision: schedule.lastDecision,
    last_decision_at: schedule.lastDecisionAt,
    parameters: schedule.parameters as Json,
    missed_policy: schedule.missedPolicy,
    overlap_policy: schedule.overlapPolicy,
    catch_up_window_ms: schedule.catchUpWindowMs,
    jitter_ms: schedule.jitterMs,
    pause_after_failures: schedule.pauseAfterFailures,
    pause_reason: schedule.pauseReason,
    paused_at: schedule.pausedAt,
    paused_by: schedule.pausedBy,
    origin: schedule.origin,
    revision: schedule.revision,
    rule_error: schedule.ruleError,
    created_at: schedule.createdAt,
    updated_at: schedule.updatedAt,
    ...(schedule.task === null ? {} : taskJson(schedule)),
  }
}

function taskJson(schedule: SystemSchedule): JsonObject {
  return {
    data_folder_id: schedule.dataFolderId || null,
    attended: schedule.isAttended,
    last_success_at: schedule.lastSuccessAt,
    last_duration_ms: schedule.lastDurationMs,
    completed_runs: schedule.completedRuns,
    failed_runs: schedule.failedRuns,
  }
}

function stateOf(schedule: JsonObject): string {
  if (schedule.enabled !== true) return 'off'
  if (schedule.rule_error !== null) return 'rule error'
  return schedule.attended === false ? 'no service' : 'on'
}

const nameOf = (schedule: JsonObject): string =>
  plainText(schedule.task === null ? schedule.analysis_name : `system:${plainText(schedule.task)}`)

export const scheduleColumns: readonly Column<JsonObject>[] = [
  field('id', 'id'),
  { header: 'analysis', text: nameOf },
  field('cron', 'cron_expression'),
  field('timezone', 'timezone'),
  { header: 'state', text: stateOf },
  {
    header: 'next run',
    text: (schedule) => (schedule.enabled ? plainText(schedule.next_run_at) : ''),
  },
  field('last decision', 'last_decision'),
  { header: 'last run', text: (schedule) => age(schedule.last_run_at) },
  field('project', 'project_id', true),
  field('missed', 'missed_policy', true),
  field('overlap', 'overlap_policy', true),
  field('origin', 'origin', true),
]

/** A schedule with all that is known of it; what a command adds goes into the record. */
export function scheduleRecord(
  schedule: Schedule,
  added: {
    readonly next?: readonly OccurrencePreview[]
    /** The last runs of a system schedule. */
    readonly runs?: readonly TaskRun[]
    readonly record?: JsonObject
  } = {},
): RecordOutput {
  const description = descriptionOf(schedule)
  const next = added.next?.map(occurrenceJson)
  const { jitterMs, pauseAfterFailures } = schedule
  return {
    kind: 'record',
    record: {
      ...scheduleJson(schedule),
      description,
      ...(next ? { next_occurrences: next } : {}),
      ...(schedule.task !== null && added.runs ? { runs: added.runs.map(runJson) } : {}),
      ...added.record,
    },
    fields: [
      ['id', schedule.id],
      ...(schedule.task === null
        ? ([
            ['analysis', schedule.analysisName],
            ['project', schedule.projectId],
          ] as const)
        : taskFields(schedule)),
      ['rule', `${schedule.cronExpression} (${schedule.timezone})`],
      ...(description === null ? [] : [['means', description] as const]),
      ['state', stateText(schedule)],
      ['next run', schedule.enabled ? (schedule.nextRunAt ?? 'not computed yet') : ''],
      ['last run', age(schedule.lastRunAt)],
      ['last decision', schedule.lastDecision ?? ''],
      [
        'missed runs',
        `${schedule.missedPolicy}, within ${formatDuration(schedule.catchUpWindowMs)}`,
      ],
      ['overlap', schedule.overlapPolicy],
      ['parameters', schedule.task === null ? JSON.stringify(schedule.parameters) : ''],
      ['jitter', jitterMs > 0 ? formatDuration(jitterMs) : ''],
      [
        'pauses after',
        pauseAfterFailures === null ? '' : `${pauseAfterFailures} failures in a row`,
      ],
      ['origin', schedule.origin],
      ...(next ?? []).map(
        (item, index) =>
          [
            index === 0 ? 'next' : '',
            [item.local, item.weekday, item.note].map(plainText).join('  ').trimEnd(),
          ] as const,
      ),
      ...(added.runs ?? []).map((run, index) => [index === 0 ? 'runs' : '', runText(run)] as const),
    ].filter(([label, text]) => text !== '' || label === '') as [string, string][],
    name: schedule.id,
  }
}

function taskFields(schedule: SystemSchedule): readonly (readonly [string, string])[] {
  const { completedRuns, failedRuns, lastDurationMs: lastMs } = schedule
  return [
    ['task', scheduleName(schedule)],
    ['data folder', schedule.dataFolderId],
    ['last success', age(schedule.lastSuccessAt)],
    ['took', lastMs === null ? '' : formatDuration(lastMs)],
    ['runs so far', `${completedRuns} completed, ${failedRuns} failed`],
  ]
}

function runJson(run: TaskRun): JsonObject {
  return {
    id: run.id,
    scheduled_for: run.scheduledFor,
    status: run.status,
    attempt: run.attempt,
    started_at: run.startedAt,
    finished_at: run.finishedAt,
    duration_ms: run.durationMs,
    runner: run.runner,
    error_code: run.errorCode,
    error: run.errorMessage,
    details: run.details as Json,
  }
}

function runText({ createdAt, status, durationMs, errorMessage }: TaskRun): string {
  const took = durationMs === null ? '' : `in ${formatDuration(durationMs)}`
  return [createdAt, status, took, errorMessage].map(plainText).filter(Boolean).join('  ')
}

function stateText(schedule: Schedule): string {
  const { enabled, ruleError, pauseReason, isAnalysisActive } = schedule
  if (!enabled) return pauseReason === null ? 'off' : `off: ${pauseReason}`
  if (ruleError !== null) return `on, but its rule cannot be followed: ${ruleError}`
  if (isAnalysisActive === false) return 'on, but its analysis is disabled'
  if (schedule.task === null || schedule.isAttended) return 'on'
  return 'on, but no running service has its setting'
}

/** Null for a rule that was edited by hand into one that cannot be read. */
function descriptionOf({ cronExpression }: Schedule): string | null {
  try {
    return describeRule(parseRule(cronExpression))
  } catch {
    // The row's rule_error says why.
    return null
  }
}
