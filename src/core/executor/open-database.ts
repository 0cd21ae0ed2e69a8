import type { CommitMarker, DuckdbProcess } from '../duckdb/index.ts'
import type { JobData } from './job-data.ts'

/** Closing merges the log into the file; cut short, the next who opens it does. */
const closeLimitMs = 10_000

/** A project's database that a job has written, with its transaction open. */
export interface OpenDatabase {
  readonly duckdb: Pick<DuckdbProcess, 'prepareCommit' | 'commit'>
  /** Ends the process and reads from the file whether the job's transaction was committed. */
  readonly readMarker: () => Promise<CommitMarker | null>
  /** What is not committed by then is undone. Never rejects; safe to repeat. */
  readonly close: () => Promise<void>
}

/** Undefined when the job has no transaction to commit. `close` ends all that the job has open. */
export async function openDatabase(
  data: JobData,
  close: () => Promise<void>,
): Promise<OpenDatabase | undefined> {
  const duckdb = await data.writer()
  if (!duckdb) return undefined
  let isCommitted = false
  return {
    duckdb: {
      prepareCommit: (marker) => duckdb.prepareCommit(marker),
      commit: async () => {
        await duckdb.commit()
        isCommitted = true
      },
    },
    readMarker: () => data.readMarker(),
    close: async () => {
      if (isCommitted) {
        await duckdb.closeDatabase(AbortSignal.timeout(closeLimitMs)).catch(() => undefined)
      }
      await close()
    },
  }
}
