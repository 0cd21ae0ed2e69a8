import type { Context } from '../context.ts'
import type { JobEnd } from './job-end.ts'

/** Logs how a job ended, in the words that runbooks look for. */
export function reportEnd(log: Context['log'], end: JobEnd): void {
  const { jobId } = end
  if (end.status === 'completed') {
    log.info({ jobId }, `Job ${jobId} completed successfully`)
  } else if (end.status === 'failed' || end.status === 'retrying') {
    const how = end.status === 'retrying' ? ', to be retried' : ''
    log.warn({ jobId, code: end.error.code }, `Job ${jobId} failed${how}: ${end.error.message}`)
  } else if (end.status === 'cancelled') {
    log.info({ jobId }, `Job ${jobId} was cancelled`)
  }
}
