/** Whose folder it is below `jobs/` of a data folder. */
export interface JobFolderOwner {
  readonly jobId: string
  readonly attempt: number
}

const folderName = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-(\d+))?$/i

/**
 * Each attempt has a folder of its own, since one whose executor was taken for dead, or hands the job
 * back, clears its own away when the next may have begun. The first attempt has no number.
 */
export const jobFolderName = ({ jobId, attempt }: JobFolderOwner): string =>
  attempt <= 1 ? jobId : `${jobId}-${attempt}`

/** Undefined for a folder of another name, which is nobody's we know. */
export function readJobFolderName(name: string): JobFolderOwner | undefined {
  const [, jobId, attempt] = folderName.exec(name) ?? []
  return jobId === undefined
    ? undefined
    : { jobId: jobId.toLowerCase(), attempt: Number(attempt ?? 1) }
}
