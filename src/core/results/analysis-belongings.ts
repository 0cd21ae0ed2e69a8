import { sql } from 'kysely'
import type { Analysis } from '../analyses/index.ts'
import type { Queries } from '../database/index.ts'

/** How much goes when an analysis is deleted. */
export interface AnalysisBelongings {
  readonly versions: number
  /** Those of child jobs, which run other analyses, included. */
  readonly jobs: number
  readonly runningJobs: number
  readonly schedules: number
  /** Results that are files. */
  readonly resultFiles: number
  readonly resultBytes: number
  /** Values that scripts kept with ctx.metadata. */
  readonly metadataKeys: number
}

/** The jobs of an analysis and their descendants: a child goes with its parent. */
const family = (analysisId: string) => sql`
  with recursive family as (
    select id, status
    from analysis_jobs
    where analysis_id = ${analysisId}
    union
    select child.id, child.status
    from analysis_jobs child
    join family on child.parent_job_id = family.id
  )
`

/** What belongs to an analysis, counted. */
export async function belongingsOf(
  queries: Queries,
  analysisId: string,
): Promise<AnalysisBelongings> {
  const { rows } = await sql<AnalysisBelongings>`
    ${family(analysisId)},
    files as (
      select size_bytes
      from analysis_result_storage
      where job_id in (select id from family)
    )
    select
      (select count(*) from analysis_versions where analysis_id = ${analysisId})::integer as versions,
      (select count(*) from family)::integer as jobs,
      (select count(*) from family where status = 'running')::integer as running_jobs,
      (select count(*) from analysis_schedules where analysis_id = ${analysisId})::integer as schedules,
      (select count(*) from files)::integer as result_files,
      (select coalesce(sum(size_bytes), 0) from files)::bigint as result_bytes,
      (select count(*) from analysis_metadata where analysis_id = ${analysisId})::integer as metadata_keys
  `.execute(queries)
  return rows[0] as AnalysisBelongings
}

/** Where the results of its jobs lie that are files. */
export async function resultFilesOf(
  queries: Queries,
  analysisId: string,
): Promise<readonly { readonly storagePath: string; readonly dataFolderId: string | null }[]> {
  const { rows } = await sql<{ storagePath: string; dataFolderId: string | null }>`
    ${family(analysisId)}
    select storage_path, data_folder_id
    from analysis_result_storage
    where job_id in (select id from family)
  `.execute(queries)
  return rows
}

/** Names of analyses that declare this one, but for those with one of the ids. */
export async function dependentsOf(
  queries: Queries,
  { name, projectId }: Pick<Analysis, 'name' | 'projectId'>,
  exceptIds: readonly string[],
): Promise<readonly string[]> {
  const rows = await queries
    .selectFrom('analysisDependencies')
    .innerJoin('analyses', 'analyses.id', 'analysisDependencies.analysisId')
    .select('analyses.name')
    .where('analyses.projectId', '=', projectId)
    .where('dependencyType', '=', 'analysis')
    .where('dependencyName', '=', name)
    .where('analyses.id', 'not in', exceptIds)
    .orderBy('analyses.name')
    .execute()
  return rows.map((row) => row.name)
}
