import { sql } from 'kysely'
import type { Context } from '../context.ts'
import type { Schedule, TaskStatus } from './schedule.ts'

/** One run of the task of a system schedule. */
export interface TaskRun {
  readonly id: string
  /** Null: an operator asked for it. */
  readonly scheduledFor: string | null
  readonly status: TaskStatus
  readonly attempt: number
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly durationMs: number | null
  /** Host and process id. */
  readonly runner: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly details: unknown
}

/** The last runs of a system schedule, latest first; none of any other. */
export async function listTaskRuns(
  { database }: Pick<Context, 'database'>,
  schedule: Schedule,
  limit: number,
): Promise<readonly TaskRun[]> {
  if (schedule.task === null) return []
  const { rows } = await sql<TaskRun>`
    select id, scheduled_for, status, attempt, created_at, started_at, finished_at,
      round(extract(epoch from finished_at - started_at) * 1000)::float8 as duration_ms, runner,
      error_code, error_message, details
    from analysis_task_runs
    where schedule_id = ${schedule.id}
    order by created_at desc
    limit ${limit}
  `.execute(database.queries)
  return rows
}
