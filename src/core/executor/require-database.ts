import type { Context } from '../context.ts'
import { isKilnError } from '../errors/index.ts'
import {
  type ClaimedJob,
  type DatabaseUse,
  needOfVersion,
  returnForDatabase,
  takeDatabaseSlotLate,
  takeHome,
} from '../jobs/index.ts'
import { type DataFolder, delay } from '../os/index.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'

const lookEveryMs = 200

interface Options {
  readonly context: Pick<Context, 'database'>
  readonly dataFolder: DataFolder
  readonly executorId: string
  readonly job: ClaimedJob
  readonly mayReturn: boolean
  readonly signal: AbortSignal
}

/**
 * Makes sure that a claimed job has a slot of its project's database, and that this data folder is the
 * one which has it. A job whose script nobody had read when it was claimed, or that names an older
 * version, has none: the queue gets it back to wait for one. One that only this process may run waits
 * here. Returns undefined when the database may be opened, or the reason why not.
 */
export async function requireDatabase(
  options: Options,
  projectId: string,
  use: DatabaseUse,
): Promise<string | undefined> {
  const { job, mayReturn, dataFolder, signal } = options
  const { queries } = options.context.database
  const lease = { jobId: job.id, leaseToken: job.leaseToken }
  const retry = <T>(work: () => Promise<T>) => retryWhileDatabaseIsAway(work, { signal })
  const held = job.holdsSlot ? job.databaseUse : null
  if (held !== 'write' && held !== use) {
    if (mayReturn) {
      await retry(() => returnForDatabase(queries, lease, use))
      return 'returned'
    }
    const reason = await waitForSlot(options, retry)
    if (reason !== undefined) return reason
  }
  const home = await retry(() => takeHome(queries, projectId, dataFolder.id))
  if (home === dataFolder.id) return undefined
  if (!mayReturn) {
    return `the database of the project "${projectId}" is in the data folder ${home}, which is not this one`
  }
  await retry(() => returnForDatabase(queries, lease, use))
  return 'returned'
}

async function waitForSlot(
  options: Options,
  retry: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<string | undefined> {
  const { context, job, executorId, signal } = options
  const { queries } = context.database
  const need = await retry(() => needOfVersion(queries, job))
  if (!need) return undefined
  const lease = { jobId: job.id, leaseToken: job.leaseToken }
  const taker = { ...need, executorId, parentJobId: job.parentJobId ?? undefined }
  for (;;) {
    try {
      await retry(() => takeDatabaseSlotLate(queries, lease, taker))
      return undefined
    } catch (error) {
      if (isKilnError(error, 'PROJECT_DATABASE_HELD', 'PROJECT_DATABASE_ELSEWHERE')) {
        return error.message
      }
      if (!isKilnError(error, 'LIMITS_FULL')) throw error
    }
    await delay(lookEveryMs, signal)
  }
}
