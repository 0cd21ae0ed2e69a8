import { KilnError } from '../errors/index.ts'
import type { JobSummary } from './job.ts'
import { isJobId } from './job-id.ts'

/** Names the last job of a page, so that jobs created meanwhile do not shift the next one. */
export function encodeJobCursor(job: Pick<JobSummary, 'createdAt' | 'id'>): string {
  return Buffer.from(`${job.createdAt} ${job.id}`).toString('base64url')
}

/** @throws KilnError USAGE for a cursor that no page gave. */
export function decodeJobCursor(cursor: string): { createdAt: string; id: string } {
  const [createdAt = '', id = '', ...rest] = Buffer.from(cursor, 'base64url').toString().split(' ')
  const isTime = /^\d{4,}-\d\d-\d\dT[\d:.]+Z$/.test(createdAt)
  if (isTime && !Number.isNaN(Date.parse(createdAt)) && isJobId(id) && rest.length === 0) {
    return { createdAt, id }
  }
  throw new KilnError('USAGE', 'the cursor is not one that a page gave', {
    hint: 'use next_cursor of the page before, or leave --cursor out',
  })
}
