import type { Job, JobAttempt, JobSummary } from '../../core/jobs/index.ts'
import type { Column, Json, JsonObject, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

/** A job as commands print it. Results and parameters are the user's JSON and stay as they are. */
export function jobJson(job: JobSummary): JsonObject {
  return {
    id: job.id,
    analysis_id: job.analysisId,
    analysis_name: job.analysisName,
    project_id: job.projectId,
    version_number: job.versionNumber,
    status: job.status,
    parameters: job.parameters as Json,
    triggered_by: job.triggeredBy,
    priority: job.priority,
    created_at: job.createdAt,
    run_at: job.runAt,
    started_at: job.startedAt,
    completed_at: job.completedAt,
    execution_time_ms: job.executionTimeMs,
    attempt: job.attempt,
    lost_count: job.lostCount,
    progress: job.progress,
    progress_message: job.progressMessage,
    waiting_reason: job.waitingReason,
    error_code: job.errorCode,
    error_message: job.errorMessage,
    peak_memory_bytes: job.peakMemoryBytes,
    executor_id: job.executorId,
    parent_job_id: job.parentJobId,
    retry_of: job.retryOf,
    schedule_id: job.scheduleId,
    scheduled_for: job.scheduledFor,
    idempotency_key: job.idempotencyKey,
  }
}

export const jobColumns: readonly Column<JsonObject>[] = [
  field('id', 'id'),
  field('analysis', 'analysis_name'),
  field('project', 'project_id'),
  field('status', 'status'),
  { header: 'created', text: (job) => age(job.created_at) },
  {
    header: 'took',
    text: (job) => (typeof job.execution_time_ms === 'number' ? `${job.execution_time_ms} ms` : ''),
  },
  field('error', 'error_code'),
  field('created at', 'created_at', true),
  field('triggered by', 'triggered_by', true),
  { header: 'progress', text: progressText, isWide: true },
  field('waiting for', 'waiting_reason', true),
  field('message', 'error_message', true),
]

function progressText({ progress, progress_message: message }: JsonObject): string {
  const percent = typeof progress === 'number' ? `${Math.round(100 * progress)} %` : ''
  return [percent, plainText(message)].filter(Boolean).join(' ')
}

/** One job in full: its attempts beside its fields. */
export function jobRecord(job: Job, attempts: readonly JobAttempt[]): RecordOutput {
  const record: JsonObject = {
    ...jobJson(job),
    error_stack: job.errorStack,
    logs: job.logs,
    attempts: attempts.map(attemptJson),
  }
  const shown = Object.entries(record).filter(
    ([key, value]) => value !== null && !['logs', 'attempts', 'error_stack'].includes(key),
  )
  return {
    kind: 'record',
    record,
    name: job.id,
    fields: [
      ...shown.map(([key, value]): readonly [string, string] => [
        key.replaceAll('_', ' '),
        plainText(value),
      ]),
      ...(job.errorStack?.split('\n') ?? []).map((line): readonly [string, string] => [
        'stack',
        line.trim(),
      ]),
      ...attempts.map((attempt): readonly [string, string] => [
        `attempt ${attempt.number}`,
        [attempt.outcome, attempt.executorLabel, attempt.startedAt, attempt.errorMessage]
          .filter(Boolean)
          .join('  '),
      ]),
    ],
  }
}

function attemptJson(attempt: JobAttempt): JsonObject {
  return {
    number: attempt.number,
    outcome: attempt.outcome,
    executor_id: attempt.executorId,
    executor_label: attempt.executorLabel,
    started_at: attempt.startedAt,
    finished_at: attempt.finishedAt,
    error_code: attempt.errorCode,
    error_message: attempt.errorMessage,
  }
}
