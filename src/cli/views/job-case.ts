import { type Job, jobError } from '../../core/jobs/index.ts'
import { type CiCase, errorCase } from '../ci/report.ts'

type CaseJob = Pick<Job, 'id' | 'analysisName' | 'projectId' | 'executionTimeMs'> &
  Parameters<typeof jobError>[0]

/** A job as a pipeline knows it: passed when it has completed. */
export function jobCase(job: CaseJob): CiCase {
  const group = `${job.projectId}.${job.analysisName}`
  const error = jobError(job)
  const durationMs = job.executionTimeMs ?? undefined
  return error
    ? { ...errorCase(group, job.id, error), durationMs }
    : { group, name: job.id, outcome: 'passed', problems: [], durationMs }
}
