/**
 * The queue: jobs and what may happen to them. Every change is one statement guarded by the state
 * it expects and, for a running job, by the lease token; zero rows changed is a normal outcome.
 */
export { type Job, type JobStatus, finalStatuses, jobStatuses } from './job.ts'
export { type JobFilter, type JobPage, listJobs } from './list-jobs.ts'
