import type { OccurrenceRecord } from '../../core/schedules/index.ts'
import { formatDuration } from '../../core/units/index.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

function occurrenceRecordJson(occurrence: OccurrenceRecord): JsonObject {
  return {
    schedule_id: occurrence.scheduleId,
    analysis_name: occurrence.analysisName,
    project_id: occurrence.projectId,
    task: occurrence.task,
    scheduled_for: occurrence.scheduledFor,
    decision: occurrence.decision,
    reason: occurrence.reason,
    missed_count: occurrence.missedCount,
    missed_from: occurrence.missedFrom,
    decided_at: occurrence.decidedAt,
    lateness_ms: occurrence.latenessMs,
    job_id: occurrence.jobId,
    job_status: occurrence.jobStatus,
    task_status: occurrence.taskStatus,
    duration_ms: occurrence.durationMs,
    error: occurrence.error,
  }
}

const nameOf = ({ analysis_name: analysis, task }: JsonObject): string =>
  plainText(task === null ? analysis : `system:${plainText(task)}`)

/** Occurrences that were decided on, as a list. */
export function occurrenceList(
  occurrences: readonly OccurrenceRecord[],
  options: { readonly nextCursor: string | null; readonly empty: string; readonly named: boolean },
): ListOutput {
  return {
    kind: 'list',
    items: occurrences.map(occurrenceRecordJson),
    columns: [
      ...(options.named ? [{ header: 'analysis', text: nameOf }] : []),
      field('scheduled for', 'scheduled_for'),
      field('decision', 'decision'),
      field('missed', 'missed_count'),
      { header: 'late', text: ({ lateness_ms: ms }) => formatDuration(Number(ms)) },
      field('job', 'job_id'),
      { header: 'status', text: (item) => plainText(item.job_status ?? item.task_status) },
      {
        header: 'took',
        text: ({ duration_ms: ms }) => (ms === null ? '' : formatDuration(Number(ms))),
      },
      {
        header: 'reason',
        text: ({ reason, error }) => [reason, error].map(plainText).filter(Boolean).join('; '),
      },
      field('schedule', 'schedule_id', true),
    ],
    nextCursor: options.nextCursor,
    name: (item) => plainText(item.job_id),
    empty: options.empty,
  }
}
