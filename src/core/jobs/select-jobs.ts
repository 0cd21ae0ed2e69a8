import type { Queries } from '../database/index.ts'
import type { JobRow } from './job.ts'
import { waitingReason } from './waiting-reason.ts'

/**
 * Columns of a job but for its result and its log lines: those may be hundreds of kilobytes, and a
 * list of a thousand jobs shows neither.
 */
const summaryColumns = [
  'analysisJobs.id',
  'analysisJobs.analysisId',
  'analysisJobs.status',
  'analysisJobs.parameters',
  'analysisJobs.errorMessage',
  'analysisJobs.createdAt',
  'analysisJobs.startedAt',
  'analysisJobs.completedAt',
  'analysisJobs.executionTimeMs',
  'analysisJobs.triggeredBy',
  'analysisJobs.versionNumber',
  'analysisJobs.priority',
  'analysisJobs.runAt',
  'analysisJobs.ready',
  'analysisJobs.waitsForSlot',
  'analysisJobs.holdsSlot',
  'analysisJobs.attempt',
  'analysisJobs.maxAttempts',
  'analysisJobs.lostCount',
  'analysisJobs.maxLost',
  'analysisJobs.handedBackCount',
  'analysisJobs.executorId',
  'analysisJobs.leaseToken',
  'analysisJobs.progress',
  'analysisJobs.progressMessage',
  'analysisJobs.scheduleId',
  'analysisJobs.scheduledFor',
  'analysisJobs.scheduleTimezone',
  'analysisJobs.parentJobId',
  'analysisJobs.retryOf',
  'analysisJobs.idempotencyKey',
  'analysisJobs.errorCode',
  'analysisJobs.errorStack',
  'analysisJobs.peakMemoryBytes',
] as const satisfies readonly `analysisJobs.${keyof JobRow}`[]

const joined = (queries: Queries) =>
  queries
    .selectFrom('analysisJobs')
    .innerJoin('analyses', 'analyses.id', 'analysisJobs.analysisId')
    .select(['analyses.name as analysisName', 'analyses.projectId as projectId'])

/** Jobs with the name and project of their analysis. */
export const selectJobs = (queries: Queries) =>
  // After the columns of the row: of two of one name the last stands.
  joined(queries).selectAll('analysisJobs').select(waitingReason.as('waitingReason'))

/** The same without results and log lines. */
export const selectJobSummaries = (queries: Queries) =>
  joined(queries).select(summaryColumns).select(waitingReason.as('waitingReason'))
