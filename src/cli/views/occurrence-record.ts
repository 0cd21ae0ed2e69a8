import type { OccurrenceRecord } from '../../core/schedules/index.ts'
import { formatDuration } from '../../core/units/index.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

function occurrenceRecordJson(occurrence: OccurrenceRecord): JsonObject {
  return {
    schedule_id: occurrence.scheduleId,
    analysis_name: occurrence.analysisName,
    project_id: occurrence.projectId,
    scheduled_for: occurrence.scheduledFor,
    decision: occurrence.decision,
    reason: occurrence.reason,
    missed_count: occurrence.missedCount,
    missed_from: occurrence.missedFrom,
    decided_at: occurrence.decidedAt,
    lateness_ms: occurrence.latenessMs,
    job_id: occurrence.jobId,
    job_status: occurrence.jobStatus,
  }
}

/** Occurrences that were decided on, as a list. */
export function occurrenceList(
  occurrences: readonly OccurrenceRecord[],
  options: { readonly nextCursor: string | null; readonly empty: string; readonly named: boolean },
): ListOutput {
  return {
    kind: 'list',
    items: occurrences.map(occurrenceRecordJson),
    columns: [
      ...(options.named ? [field('analysis', 'analysis_name')] : []),
      field('scheduled for', 'scheduled_for'),
      field('decision', 'decision'),
      field('missed', 'missed_count'),
      { header: 'late', text: ({ lateness_ms: ms }) => formatDuration(Number(ms)) },
      field('job', 'job_id'),
      field('status', 'job_status'),
      field('reason', 'reason'),
      field('schedule', 'schedule_id', true),
    ],
    nextCursor: options.nextCursor,
    name: (item) => plainText(item.job_id),
    empty: options.empty,
  }
}
