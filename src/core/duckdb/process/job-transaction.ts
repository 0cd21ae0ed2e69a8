import type { DuckDBConnection } from '@duckdb/node-api'
import type { CommitMarker } from '../contract.ts'
import { AbortedTransaction } from './aborted-transaction.ts'
import { ownSchema } from './identifiers.ts'

/**
 * Markers that stay: of jobs whose outcome may not stand in Postgres yet, of which there is one at
 * most, and of those that a Postgres restored from an older backup does not know to have completed.
 */
const keptMarkers = 100

/** The one transaction in which a job writes its project's database. */
export class JobTransaction {
  /** Of the error that aborted it. */
  #cause: string | undefined

  requireOpen(): void {
    if (this.#cause === undefined) return
    throw new AbortedTransaction(`the transaction was aborted by an earlier error: ${this.#cause}`)
  }

  /**
   * Finds out whether an error has aborted the transaction. Some do and some do not, and a COMMIT of an
   * aborted one is answered as if it had been one.
   */
  async note(connection: DuckDBConnection, error: unknown): Promise<void> {
    if (this.#cause !== undefined) return
    try {
      await connection.run('select 1')
    } catch {
      this.#cause = error instanceof Error ? error.message : String(error)
    }
  }

  /** Puts the marker in; or returns the one that the job has from before, and commits nothing. */
  async prepare(connection: DuckDBConnection, marker: CommitMarker): Promise<CommitMarker | null> {
    this.requireOpen()
    await connection.run(`create schema if not exists ${ownSchema}`)
    await connection.run(`create table if not exists ${ownSchema}.commits (
      job_id uuid not null, lease_token uuid not null, outcome varchar not null,
      committed_at timestamptz not null)`)
    const earlier = await findMarker(connection, marker.jobId)
    if (earlier) return earlier
    await connection.run(`delete from ${ownSchema}.commits where committed_at < (
      select min(committed_at) from (
        select committed_at from ${ownSchema}.commits
        order by committed_at desc
        limit ${keptMarkers}))`)
    await connection.run(`insert into ${ownSchema}.commits values (?::uuid, ?::uuid, ?, now())`, [
      marker.jobId,
      marker.leaseToken,
      marker.outcome,
    ])
    return null
  }

  async commit(connection: DuckDBConnection): Promise<void> {
    this.requireOpen()
    await connection.run('commit')
    this.#cause = 'it has been committed'
  }
}

/** Null also where nothing was ever committed. */
export async function findMarker(
  connection: DuckDBConnection,
  jobId: string,
): Promise<CommitMarker | null> {
  const tables = await connection.run(
    `select 1 from duckdb_tables()
     where database_name = 'project' and schema_name = ? and table_name = 'commits'`,
    [ownSchema],
  )
  if ((await tables.getRows()).length === 0) return null
  const result = await connection.run(
    `select lease_token::varchar, outcome from project.${ownSchema}.commits where job_id = ?::uuid`,
    [jobId],
  )
  const [row] = await result.getRows()
  return row ? { jobId, leaseToken: String(row[0]), outcome: String(row[1]) } : null
}
