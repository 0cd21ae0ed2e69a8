import type { Queries } from '../database/index.ts'

/** Schedules with the name, project and state of their analysis: the columns of `Schedule`. */
export const selectSchedules = (queries: Queries) =>
  queries
    .selectFrom('analysisSchedules')
    .innerJoin('analyses', 'analyses.id', 'analysisSchedules.analysisId')
    .selectAll('analysisSchedules')
    .select([
      'analyses.name as analysisName',
      'analyses.projectId as projectId',
      'analyses.isActive as isAnalysisActive',
    ])
