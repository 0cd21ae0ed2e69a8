import { randomUUID } from 'node:crypto'
import type { Queries } from '../database/index.ts'
import {
  type ClaimedJob,
  type ClaimedJobInput,
  findInsertedJob,
  insertClaimedJob,
} from '../jobs/index.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'

/**
 * Inserts a claimed job for a script that waits for it, however long the database is away; never
 * twice, since each try names the same ids. Rejects with the reason of the signal when that is
 * aborted first.
 *
 * @throws KilnError as `insertClaimedJob` does.
 */
export async function insertChild(
  queries: Queries,
  input: ClaimedJobInput,
  signal: AbortSignal,
): Promise<ClaimedJob> {
  const ids = { id: randomUUID(), leaseToken: randomUUID() }
  let isRepeated = false
  const insert = async (): Promise<ClaimedJob> => {
    try {
      return await insertClaimedJob(queries, { ...input, ids })
    } catch (error) {
      // A try before may have come through while its reply did not: then it is in its own way, by its
      // id or by the slot that it holds.
      const found = isRepeated ? await findInsertedJob(queries, ids) : undefined
      isRepeated = true
      if (found) return found
      throw error
    }
  }
  return retryWhileDatabaseIsAway(insert, { signal })
}
