import type { Job } from '../../core/jobs/index.ts'
import type { Column, Json, JsonObject } from '../output/output.ts'
import { field } from '../output/render.ts'
import { age } from './age.ts'

/** A job as commands print it. Results and parameters are the user's JSON and stay as they are. */
export function jobJson(job: Job): JsonObject {
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
  field('message', 'error_message', true),
]
