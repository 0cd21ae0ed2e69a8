import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/** A project, its limit, and how its jobs stand to it. */
export interface ProjectInfo {
  readonly id: string
  readonly name: string | null
  /** Most jobs at a time, but for children of its own jobs; null for no limit. */
  readonly maxConcurrent: number | null
  readonly analysisCount: number
  /** Children of running jobs included. */
  readonly runningJobs: number
  /** Pending, and kept back by a limit or a slot. */
  readonly waitingJobs: number
  readonly homeFolder: string | null
  readonly createdAt: string
}

/** Projects by id, or the one of this id. */
export async function listProjects(queries: Queries, id?: string): Promise<ProjectInfo[]> {
  const { rows } = await sql<ProjectInfo>`
    with running as (
      select analysis.project_id, count(*)::integer as jobs
      from analysis_jobs job
      join analyses analysis on analysis.id = job.analysis_id
      where job.id = any (array(select unnest(job_ids) from analysis_leases))
        and job.status = 'running'
      group by analysis.project_id
    ),
    waiting as (
      select analysis.project_id, count(*)::integer as jobs
      from analysis_jobs job
      join analyses analysis on analysis.id = job.analysis_id
      where not job.ready
        and job.waiting_reason is not null
      group by analysis.project_id
    )
    select project.id, project.name, project.max_concurrent,
      (
        select count(*)
        from analyses
        where project_id = project.id
      )::integer as analysis_count,
      coalesce(running.jobs, 0) as running_jobs,
      coalesce(waiting.jobs, 0) as waiting_jobs,
      project.home_folder, project.created_at
    from projects project
    left join running on running.project_id = project.id
    left join waiting on waiting.project_id = project.id
    where ${id ?? null}::text is null
      or project.id = ${id ?? null}
    order by project.id
  `.execute(queries)
  return rows
}
