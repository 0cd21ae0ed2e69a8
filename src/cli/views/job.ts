import { type Job, type JobAttempt, jobJson } from '../../core/jobs/index.ts'
import type { Column, JsonObject, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

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
