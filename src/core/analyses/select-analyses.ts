import type { Queries } from '../database/index.ts'

/** The columns of `Analysis`: all but the script, which may be large. */
export const analysisColumns = [
  'analyses.id',
  'analyses.name',
  'analyses.title',
  'analyses.projectId',
  'analyses.version',
  'analyses.isActive',
  'analyses.metadata',
  'analyses.createdBy',
  'analyses.createdAt',
  'analyses.updatedAt',
] as const

export function selectAnalyses(queries: Queries) {
  return queries.selectFrom('analyses').select(analysisColumns)
}
