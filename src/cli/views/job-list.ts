import { type JobSummary, jobJson } from '../../core/jobs/index.ts'
import type { ListOutput } from '../output/output.ts'
import { plainText } from '../output/render.ts'
import { jobColumns } from './job.ts'

/** Jobs as a list, with the cursor of the next page if there is one. */
export function jobList(jobs: readonly JobSummary[], nextCursor: string | null): ListOutput {
  return {
    kind: 'list',
    items: jobs.map(jobJson),
    columns: jobColumns,
    nextCursor,
    name: (job) => plainText(job.id),
    empty: 'no jobs',
  }
}
