import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { JobStatus } from '../jobs/index.ts'
import type { OccurrenceDecision, TaskStatus } from './schedule.ts'

/** What became of an occurrence, and of its job. */
export interface OccurrenceRecord {
  readonly scheduleId: string
  /** Null, as the project: of a system schedule, which has a task. */
  readonly analysisName: string | null
  readonly projectId: string | null
  readonly task: string | null
  readonly timezone: string
  readonly scheduledFor: string
  readonly decision: OccurrenceDecision
  readonly reason: string | null
  readonly missedCount: number
  readonly missedFrom: string | null
  readonly decidedAt: string
  /** From the occurrence to the decision. */
  readonly latenessMs: number
  /** The job, or the run of a task. */
  readonly jobId: string | null
  readonly jobStatus: JobStatus | null
  readonly taskStatus: TaskStatus | null
  /** Of the job or task, once it has ended. */
  readonly durationMs: number | null
  readonly error: string | null
}

export interface OccurrenceFilter {
  readonly scheduleId?: string | undefined
  readonly projectId?: string | undefined
  /** Only occurrences that did not run, or not in time. */
  readonly onlyMissed: boolean
  /** Scheduled at or after, RFC 3339. */
  readonly since?: string | undefined
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string | undefined
}

export interface OccurrencePage {
  readonly occurrences: readonly OccurrenceRecord[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

/**
 * Occurrences that were decided on, latest first, a page at a time.
 *
 * @throws KilnError USAGE for a cursor that no page gave.
 */
export async function listOccurrences(
  { database }: Pick<Context, 'database'>,
  filter: OccurrenceFilter,
): Promise<OccurrencePage> {
  let query = database.queries
    .selectFrom('analysisScheduleOccurrences as occurrence')
    .innerJoin('analysisSchedules as schedule', 'schedule.id', 'occurrence.scheduleId')
    .leftJoin('analyses', 'analyses.id', 'schedule.analysisId')
    .leftJoin('analysisTasks as task', 'task.scheduleId', 'schedule.id')
    .leftJoin('analysisJobs as job', 'job.id', 'occurrence.jobId')
    .leftJoin('analysisTaskRuns as run', 'run.id', 'occurrence.jobId')
    .select([
      'occurrence.scheduleId',
      'occurrence.scheduledFor',
      'occurrence.decision',
      'occurrence.reason',
      'occurrence.missedCount',
      'occurrence.missedFrom',
      'occurrence.decidedAt',
      'occurrence.jobId',
      'job.status as jobStatus',
      'run.status as taskStatus',
      'task.task',
      'job.executionTimeMs',
      sql<string | null>`left(coalesce(job.error_message, run.error_message), 500)`.as('error'),
      sql<
        number | null
      >`round(extract(epoch from run.finished_at - run.started_at) * 1000)::float8`.as('runMs'),
      'schedule.timezone',
      'analyses.name as analysisName',
      'analyses.projectId',
    ])
    .orderBy('occurrence.scheduledFor', 'desc')
    .orderBy('occurrence.scheduleId', 'desc')
    .limit(filter.limit + 1)
  const { scheduleId, projectId, onlyMissed, since, cursor } = filter
  if (scheduleId) query = query.where('occurrence.scheduleId', '=', scheduleId)
  if (projectId) query = query.where('analyses.projectId', '=', projectId)
  if (since) query = query.where('occurrence.scheduledFor', '>=', since)
  if (onlyMissed) {
    query = query.where(({ eb, or }) =>
      or([
        eb('occurrence.decision', 'in', ['skipped', 'missed']),
        eb('occurrence.missedCount', '>', 0),
      ]),
    )
  }
  if (cursor) {
    const [at, id] = decodeCursor(cursor)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('occurrence.scheduledFor', 'occurrence.scheduleId'), '<', tuple(at, id)),
    )
  }
  const rows = await query.execute()
  const occurrences = rows.slice(0, filter.limit).map(({ executionTimeMs, runMs, ...row }) => ({
    ...row,
    taskStatus: row.taskStatus as TaskStatus | null,
    durationMs: executionTimeMs ?? runMs,
    decision: row.decision as OccurrenceDecision,
    jobStatus: row.jobStatus as JobStatus | null,
    latenessMs: Math.max(0, Date.parse(row.decidedAt) - Date.parse(row.scheduledFor)),
  }))
  const last = occurrences.at(-1)
  return {
    occurrences,
    nextCursor: rows.length > filter.limit && last ? encodeCursor(last) : null,
  }
}

const encodeCursor = ({ scheduledFor, scheduleId }: OccurrenceRecord): string =>
  Buffer.from(`${scheduledFor} ${scheduleId}`).toString('base64url')

function decodeCursor(cursor: string): readonly [string, string] {
  const text = Buffer.from(cursor, 'base64url').toString()
  const match = /^(\d{4}-\S+Z) ([0-9a-f-]{36})$/.exec(text)
  if (match?.[1] && match[2]) return [match[1], match[2]]
  throw new KilnError('USAGE', 'the cursor is none that a page gave', {
    hint: 'take next_cursor of the page before',
  })
}
