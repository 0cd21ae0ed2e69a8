import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'

/**
 * Schedules with what they run: the columns of `Schedule`. Those of the analysis or of the task are
 * null, whichever it is not.
 */
export const selectSchedules = (queries: Queries) =>
  queries
    .selectFrom('analysisSchedules')
    .leftJoin('analyses', 'analyses.id', 'analysisSchedules.analysisId')
    .leftJoin('analysisTasks', 'analysisTasks.scheduleId', 'analysisSchedules.id')
    .selectAll('analysisSchedules')
    .select([
      'analyses.name as analysisName',
      'analyses.projectId as projectId',
      'analyses.isActive as isAnalysisActive',
      'analysisTasks.task',
      'analysisTasks.dataFolderId',
      'analysisTasks.attendedAt',
      'analysisTasks.lastSuccessAt',
      'analysisTasks.lastDurationMs',
      'analysisTasks.completedRuns',
      'analysisTasks.failedRuns',
      sql<boolean | null>`analysis_tasks.attended_at > now() - interval '3 minutes'`.as(
        'isAttended',
      ),
    ])
