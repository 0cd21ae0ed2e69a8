import type { Queries } from '../database/index.ts'

/** Jobs with the name and project of their analysis. */
export function selectJobs(queries: Queries) {
  return queries
    .selectFrom('analysisJobs')
    .innerJoin('analyses', 'analyses.id', 'analysisJobs.analysisId')
    .selectAll('analysisJobs')
    .select(['analyses.name as analysisName', 'analyses.projectId as projectId'])
}
