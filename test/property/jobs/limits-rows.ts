import type { Context } from '../../../src/core/context.ts'

type Pool = Context['database']['pool']

/** A job and the limits that hold for it. */
export interface Row {
  id: string
  analysis_id: string
  project_id: string
  status: string
  ready: boolean
  waits_for_slot: boolean
  holds_slot: boolean
  waiting_reason: string | null
  is_due: boolean
  is_child: boolean
  analysis_limit: number | null
  project_limit: number | null
}

export const isLimited = (row: Row): boolean =>
  row.analysis_limit !== null || row.project_limit !== null

/** Every job, oldest first. */
export async function readRows(pool: Pool): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `select job.id, job.analysis_id, analysis.project_id, job.status, job.ready,
       job.waits_for_slot, job.holds_slot, job.waiting_reason, job.run_at <= now() as is_due,
       job.parent_job_id is not null as is_child,
       analysis.max_concurrent as analysis_limit, project.max_concurrent as project_limit
     from analysis_jobs job
     join analyses analysis on analysis.id = job.analysis_id
     join projects project on project.id = analysis.project_id
     order by job.created_at, job.id`,
  )
  return rows
}
