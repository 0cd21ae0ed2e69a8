import { type OccurrencePreview, describeRule, parseRule } from '../../core/cron/index.ts'
import type { Schedule } from '../../core/schedules/index.ts'
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
  }
}

const stateOf = (schedule: JsonObject): string =>
  schedule.enabled !== true ? 'off' : schedule.rule_error === null ? 'on' : 'rule error'

export const scheduleColumns: readonly Column<JsonObject>[] = [
  field('id', 'id'),
  field('analysis', 'analysis_name'),
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
      ...added.record,
    },
    fields: [
      ['id', schedule.id],
      ['analysis', schedule.analysisName],
      ['project', schedule.projectId],
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
      ['parameters', JSON.stringify(schedule.parameters)],
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
    ].filter(([label, text]) => text !== '' || label === '') as [string, string][],
    name: schedule.id,
  }
}

function stateText({ enabled, ruleError, pauseReason, isAnalysisActive }: Schedule): string {
  if (!enabled) return pauseReason === null ? 'off' : `off: ${pauseReason}`
  if (ruleError !== null) return `on, but its rule cannot be followed: ${ruleError}`
  return isAnalysisActive ? 'on' : 'on, but its analysis is disabled'
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
