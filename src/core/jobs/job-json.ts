import type { JsonRecord, JsonValue } from '../analyses/index.ts'
import type { JobSummary } from './job.ts'

/**
 * A job as commands print it and HTTP answers it. Parameters are the user's JSON and stay as they
 * are; the result is asked for by itself, since it may be large.
 */
export function jobJson(job: JobSummary): JsonRecord {
  return {
    id: job.id,
    analysis_id: job.analysisId,
    analysis_name: job.analysisName,
    project_id: job.projectId,
    version_number: job.versionNumber,
    status: job.status,
    parameters: job.parameters as JsonValue,
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
