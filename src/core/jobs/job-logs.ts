import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Lease } from './finish-jobs.ts'

/** Lines read by one statement. */
export const pageLines = 1000

/** Least first. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

export interface JobLogLine {
  readonly attempt: number
  readonly lineNumber: number
  readonly level: LogLevel
  readonly message: string
  readonly loggedAt: string
}

/**
 * Appends lines of one attempt, in one statement however many they are, if its lease holds: nothing
 * comes to the log of a job that has ended, or runs elsewhere. That of a cancelled job holds until its
 * executor has written what it knows.
 */
export async function appendJobLogs(
  queries: Queries,
  { jobId, leaseToken }: Lease,
  lines: readonly JobLogLine[],
): Promise<void> {
  if (lines.length === 0) return
  await sql`
    insert into analysis_job_logs (job_id, attempt, line_number, level, message, logged_at)
    select ${jobId}, line.attempt, line.line_number, line.level, line.message, line.logged_at
    from jsonb_to_recordset(${JSON.stringify(lines.map(toRecord))}::jsonb)
      as line (attempt integer, line_number integer, level text, message text, logged_at timestamptz)
    where exists (select from analysis_jobs where id = ${jobId} and lease_token = ${leaseToken})
    on conflict do nothing
  `.execute(queries)
}

const toRecord = (line: JobLogLine) => ({
  attempt: line.attempt,
  line_number: line.lineNumber,
  level: line.level,
  // Postgres text has no NUL.
  message: line.message.replaceAll('\u0000', '\uFFFD').toWellFormed(),
  logged_at: line.loggedAt,
})

/** Which lines a reader wants. */
export interface JobLogFilter {
  /** Logged at or after; RFC 3339. */
  readonly since?: string
  /** This level and those above it. */
  readonly level?: LogLevel
}

/** A page of the lines of a job in the order they were written, after a given position. */
export async function readJobLogs(
  queries: Queries,
  jobId: string,
  after: Pick<JobLogLine, 'attempt' | 'lineNumber'> = { attempt: 0, lineNumber: -1 },
  { since, level }: JobLogFilter = {},
): Promise<JobLogLine[]> {
  let query = queries
    .selectFrom('analysisJobLogs')
    .select(['attempt', 'lineNumber', 'level', 'message', 'loggedAt'])
    .where('jobId', '=', jobId)
    .where(({ eb, refTuple, tuple }) =>
      eb(refTuple('attempt', 'lineNumber'), '>', tuple(after.attempt, after.lineNumber)),
    )
    .orderBy('attempt')
    .orderBy('lineNumber')
    .limit(pageLines)
  if (since !== undefined) query = query.where('loggedAt', '>=', since)
  if (level !== undefined) {
    query = query.where('level', 'in', logLevels.slice(logLevels.indexOf(level)))
  }
  return (await query.execute()) as JobLogLine[]
}

/** Every line of a job that is there; at most what the log limits of its attempts allow. */
export async function readAllJobLogs(
  queries: Queries,
  jobId: string,
  filter: JobLogFilter = {},
): Promise<JobLogLine[]> {
  const lines: JobLogLine[] = []
  for (;;) {
    const page = await readJobLogs(queries, jobId, lines.at(-1), filter)
    lines.push(...page)
    if (page.length < pageLines) return lines
  }
}
