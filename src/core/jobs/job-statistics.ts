import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/** Figures of the jobs created in a span of time. */
export interface JobStatistics {
  readonly total: number
  readonly pending: number
  /** Of the pending ones those that a limit or a slot keeps back. */
  readonly waiting: number
  readonly running: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  /** Completed of completed and failed, 0 to 1; null when none has ended so. */
  readonly successRate: number | null
  /** From start to end, of jobs that completed or failed; null when none has. */
  readonly durationP50Ms: number | null
  readonly durationP95Ms: number | null
  /** From due to start, of jobs that have started. */
  readonly waitP50Ms: number | null
  readonly waitP95Ms: number | null
}

export interface StatisticsFilter {
  /** RFC 3339. */
  readonly since: string
  readonly analysisId?: string | undefined
  readonly projectId?: string | undefined
}

/** Counts, success rate, durations and waits of the jobs created since an instant. */
export async function jobStatistics(
  queries: Queries,
  { since, analysisId, projectId }: StatisticsFilter,
): Promise<JobStatistics> {
  const { rows } = await sql<JobStatistics>`
    with chosen as (
      select job.status, job.execution_time_ms, not job.ready as is_waiting,
        extract(
          epoch from job.started_at - greatest(nullif(job.run_at, 'infinity'), job.created_at)
        ) * 1000 as wait_ms
      from analysis_jobs job
      join analyses analysis on analysis.id = job.analysis_id
      where job.created_at >= ${since}
        and (${analysisId ?? null}::uuid is null or job.analysis_id = ${analysisId ?? null})
        and (${projectId ?? null}::text is null or analysis.project_id = ${projectId ?? null})
    ),
    ended as (
      select execution_time_ms
      from chosen
      where status in ('completed', 'failed')
        and execution_time_ms is not null
    )
    select
      count(*)::integer as total,
      count(*) filter (where status = 'pending')::integer as pending,
      count(*) filter (where status = 'pending' and is_waiting)::integer as waiting,
      count(*) filter (where status = 'running')::integer as running,
      count(*) filter (where status = 'completed')::integer as completed,
      count(*) filter (where status = 'failed')::integer as failed,
      count(*) filter (where status = 'cancelled')::integer as cancelled,
      count(*) filter (where status = 'completed')::double precision
        / nullif(count(*) filter (where status in ('completed', 'failed')), 0) as success_rate,
      (select round(percentile_cont(0.5) within group (order by execution_time_ms)) from ended)
        as duration_p50_ms,
      (select round(percentile_cont(0.95) within group (order by execution_time_ms)) from ended)
        as duration_p95_ms,
      round(percentile_cont(0.5) within group (order by wait_ms)) as wait_p50_ms,
      round(percentile_cont(0.95) within group (order by wait_ms)) as wait_p95_ms
    from chosen
  `.execute(queries)
  const [statistics] = rows
  if (!statistics) throw new Error('an aggregate without a row')
  return statistics
}

/** Failures that are alike, most frequent first. */
export interface JobErrorGroup {
  readonly analysisName: string
  readonly projectId: string
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly count: number
  readonly lastAt: string
  readonly lastJobId: string
}

/** Of a message in a list; the job has the whole, up to 8 KB of it. */
const messageChars = sql.lit(500)

export async function jobErrors(
  queries: Queries,
  { since, analysisId, projectId }: StatisticsFilter,
  limit: number,
): Promise<JobErrorGroup[]> {
  const { rows } = await sql<JobErrorGroup>`
    select analysis.name as analysis_name, analysis.project_id, job.error_code,
      left(job.error_message, ${messageChars}) as error_message, count(*)::integer as count,
      max(job.completed_at) as last_at,
      (array_agg(job.id order by job.completed_at desc))[1] as last_job_id
    from analysis_jobs job
    join analyses analysis on analysis.id = job.analysis_id
    where job.status = 'failed'
      and job.created_at >= ${since}
      and (${analysisId ?? null}::uuid is null or job.analysis_id = ${analysisId ?? null})
      and (${projectId ?? null}::text is null or analysis.project_id = ${projectId ?? null})
    group by analysis.name, analysis.project_id, job.error_code, left(job.error_message, ${messageChars})
    order by count desc, last_at desc
    limit ${limit}
  `.execute(queries)
  return rows
}

/** An analysis whose jobs fail more often than they should. */
export interface FailingAnalysis {
  readonly id: string
  readonly name: string
  readonly projectId: string
  readonly runs: number
  readonly failed: number
  /** 0 to 1. */
  readonly failureRate: number
  readonly lastError: string | null
  readonly lastFailedAt: string
}

export interface FailingFilter {
  readonly days: number
  /** Least share of failures, 0 to 1. */
  readonly threshold: number
  /** Fewer runs say nothing. */
  readonly minRuns: number
  readonly projectId?: string | undefined
}

export async function failingAnalyses(
  queries: Queries,
  { days, threshold, minRuns, projectId }: FailingFilter,
): Promise<FailingAnalysis[]> {
  const { rows } = await sql<FailingAnalysis>`
    select analysis.id, analysis.name, analysis.project_id,
      count(*)::integer as runs,
      count(*) filter (where job.status = 'failed')::integer as failed,
      count(*) filter (where job.status = 'failed')::double precision / count(*) as failure_rate,
      left((array_agg(job.error_message order by job.completed_at desc)
        filter (where job.status = 'failed'))[1], ${messageChars}) as last_error,
      max(job.completed_at) filter (where job.status = 'failed') as last_failed_at
    from analysis_jobs job
    join analyses analysis on analysis.id = job.analysis_id
    where job.status in ('completed', 'failed')
      and job.created_at >= now() - make_interval(days => ${days})
      and (${projectId ?? null}::text is null or analysis.project_id = ${projectId ?? null})
    group by analysis.id
    having count(*) >= ${minRuns}
      and count(*) filter (where job.status = 'failed')::double precision / count(*) >= ${threshold}
    order by failure_rate desc, failed desc, analysis.name
  `.execute(queries)
  return rows
}
