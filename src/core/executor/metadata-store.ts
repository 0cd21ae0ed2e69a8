import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import type { Lease } from '../jobs/index.ts'
import { inlineLimitBytes, isInline } from '../results/index.ts'
import { HostFailure } from './host-failure.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'

/** What scripts of an analysis keep from one job to the next: `ctx.metadata`. */
export interface MetadataStore {
  /** JSON text; `null` for what was never kept. */
  get(key: string, signal: AbortSignal): Promise<string>
  set(key: string, value: unknown, signal: AbortSignal): Promise<void>
}

/** What a script keeps between its jobs is state, not data. */
const maxMetadataKeys = 1000

/** In the database, as jobs have it. While that is away the script waits, until the signal is aborted. */
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
    async get(key, signal) {
      const find = () =>
        queries
          .selectFrom('analysisMetadata')
          .select('value')
          .where('analysisId', '=', analysisId)
          .where('key', '=', key)
          .executeTakeFirst()
      const row = await retryWhileDatabaseIsAway(find, { signal })
      return JSON.stringify(row?.value ?? null)
    },
    async set(key, value, signal) {
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
      const keep = () => keepValue(queries, { analysisId, lease, key, text })
      await retryWhileDatabaseIsAway(keep, { signal })
    },
  }
}

async function keepValue(
  queries: Queries,
  {
    analysisId,
    lease,
    key,
    text,
  }: {
    readonly analysisId: string
    readonly lease: Lease
    readonly key: string
    readonly text: string
  },
): Promise<void> {
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
  // The script of a job that was taken for lost may go on for a moment, while the next attempt has kept
  // something already. The lock makes a rescue leave it alone until this statement has ended.
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
}
