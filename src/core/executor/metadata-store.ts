import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Lease } from '../jobs/index.ts'
import { inlineLimitBytes, isInline } from '../results/index.ts'
import { HostFailure } from './host-failure.ts'

/** What scripts of an analysis keep from one job to the next: `ctx.metadata`. */
export interface MetadataStore {
  /** JSON text; `null` for what was never kept. */
  get(key: string): Promise<string>
  set(key: string, value: unknown): Promise<void>
}

/** What a script keeps between its jobs is state, not data. */
const maxMetadataKeys = 1000

/** In the database, as jobs have it. */
export function databaseMetadata({
  queries,
  analysisId,
  lease,
}: {
  readonly queries: Queries
  readonly analysisId: string
  /** Of the job whose script it is; null: the script is only asked something, and keeps nothing. */
  readonly lease: Lease | null
}): MetadataStore {
  return {
    async get(key) {
      const row = await queries
        .selectFrom('analysisMetadata')
        .select('value')
        .where('analysisId', '=', analysisId)
        .where('key', '=', key)
        .executeTakeFirst()
      return JSON.stringify(row?.value ?? null)
    },
    async set(key, value) {
      if (!lease) {
        throw new HostFailure('script_error', 'ctx.metadata.set: only a job may keep values')
      }
      const text = JSON.stringify(value)
      if (!isInline(text)) {
        throw new HostFailure(
          'script_error',
          `ctx.metadata.set: a value has at most ${inlineLimitBytes} bytes, and neither NUL nor half a character`,
        )
      }
      const { rows } = await sql<{ count: number }>`
        select count(*)::integer as count
        from analysis_metadata
        where analysis_id = ${analysisId}
          and key <> ${key}
      `.execute(queries)
      if ((rows[0]?.count ?? 0) >= maxMetadataKeys) {
        throw new HostFailure(
          'script_error',
          `ctx.metadata.set: an analysis keeps at most ${maxMetadataKeys} keys`,
        )
      }
      // The script of a job that was taken for lost may go on for a moment, while the next attempt
      // has kept something already. The lock makes a rescue wait for this statement.
      const { rows: kept } = await sql`
        with job as (
          select id
          from analysis_jobs
          where id = ${lease.jobId}
            and lease_token = ${lease.leaseToken}
            and status = 'running'
          for share
        )
        insert into analysis_metadata (analysis_id, key, value)
        select ${analysisId}, ${key}, ${text}::jsonb
        from job
        on conflict (analysis_id, key) do update
        set value = excluded.value, updated_at = now()
        returning key
      `.execute(queries)
      if (kept.length === 0) {
        throw new HostFailure(
          'executor_lost',
          'ctx.metadata.set: the job has ended, or runs elsewhere now',
        )
      }
    },
  }
}
