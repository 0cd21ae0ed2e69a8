/**
 * The queue: jobs and what may happen to them. Every change is one statement guarded by the state
 * it expects and, for a running job, by the lease token; zero rows changed is a normal outcome.
 */
export { type BeatReply, type HeldLeases, beatExecutor } from './beat-executor.ts'
export { admitJobs } from './admit-jobs.ts'
export { cancelFamilies, cancelJob } from './cancel-job.ts'
export { type CancelOptions, type CancelOutcome, cancelJobs } from './cancel-jobs.ts'
export { type ClaimedJob, claimJobs } from './claim-jobs.ts'
export { checkRequest } from './check-request.ts'
export {
  type DailyFigures,
  type DailyFilter,
  type DailyPage,
  listDailyFigures,
} from './daily-figures.ts'
export { type DrainedExecutor, drainExecutors } from './drain-executors.ts'
export { type EnqueueAnalysisInput, enqueueAnalysis } from './enqueue-analysis.ts'
export { type EnqueueInput, type EnqueuedJob, enqueueJob } from './enqueue-job.ts'
export { type ExecutorRegistration, registerExecutor, retireExecutor } from './executor-rows.ts'
export { completeCancelledJob } from './complete-cancelled-job.ts'
export {
  type FinishedJob,
  type JobError,
  type JobOutcome,
  type Lease,
  finishJobs,
  finishUnlockedJobs,
  leaseKey,
} from './finish-jobs.ts'
export { findEndedLeases } from './find-ended-leases.ts'
export { type UnfinishedFilter, findUnfinishedJobs } from './find-jobs.ts'
export { followJobLogs } from './follow-job-logs.ts'
export { type JobAttempt, getJob, listAttempts } from './get-job.ts'
export { getProject } from './get-project.ts'
export { handBackJobs } from './hand-back-jobs.ts'
export { hasDueJobs } from './has-due-jobs.ts'
export { type ClaimedJobInput, findInsertedJob, insertClaimedJob } from './insert-claimed-job.ts'
export { decodeJobCursor, encodeJobCursor } from './job-cursor.ts'
export { type JobFolderOwner, jobFolderName, readJobFolderName } from './job-folder-name.ts'
export { isJobId } from './job-id.ts'
export { type Job, type JobStatus, type JobSummary, finalStatuses, jobStatuses } from './job.ts'
export {
  type JobLogFilter,
  type JobLogLine,
  appendJobLogs,
  logLevels,
  readAllJobLogs,
} from './job-logs.ts'
export { jobError, worstJobError } from './job-error.ts'
export { jobJson } from './job-json.ts'
export { type ExecutorInfo, type ExecutorState, listExecutors } from './list-executors.ts'
export { type JobFilter, type JobPage, listJobs } from './list-jobs.ts'
export { type ProjectInfo, listProjects } from './list-projects.ts'
export {
  type FailingAnalysis,
  type FailingFilter,
  type JobErrorGroup,
  type JobStatistics,
  type StatisticsFilter,
  failingAnalyses,
  jobErrors,
  jobStatistics,
} from './job-statistics.ts'
export { plainArray, postgresArray } from './postgres-array.ts'
export { mendJobQueue } from './mend-job-queue.ts'
export { leaseRunningJobs } from './lease-running-jobs.ts'
export { releaseJobs } from './release-jobs.ts'
export { retryLater, returnLost } from './retry-later.ts'
export { type ChooseParameters, type RetriedJob, retryJob } from './retry-job.ts'
export { type RetryOutcome, retryJobs } from './retry-jobs.ts'
export { type LostExecutor, LostExecutorWatch } from './lost-executor-watch.ts'
export { type Rescue, rescueJobs, rescueUnownedJobs } from './rescue-jobs.ts'
export { setProjectLimit } from './set-project-limit.ts'
export { deadAfterMs, sweepInPassing, sweepLostExecutors } from './sweep-lost-executors.ts'
export {
  type CommittingJob,
  clearCommitting,
  findCommittingJobs,
  markCommitting,
} from './committing-jobs.ts'
export { type DatabaseHold, holdDatabase } from './hold-database.ts'
export {
  type DatabaseUse,
  needOfVersion,
  returnForDatabase,
  takeDatabaseSlotLate,
  takeHome,
} from './take-database-slot.ts'
export { requestSlot, withdrawSlotRequest } from './take-slot.ts'
export { type WaitOptions, waitForJob, waitForJobs } from './wait-for-jobs.ts'
export { type JobChanges, watchJobs } from './watch-jobs.ts'
