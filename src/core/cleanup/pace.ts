import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { type Clock, delay } from '../os/index.ts'

/** Of the time that the last batch took: a fifth of one connection's work is left for cleanup. */
const busyShare = 4
/** With nobody waiting it only leaves room for whoever comes. */
const idleShare = 0.2
/** A slow disk must not stretch a pause beyond what an operator would wait for. */
const longestPauseMs = 2000

/**
 * Waits after a batch, longer while jobs run or are due: each batch takes the disk and the write-ahead
 * log from the queue for as long as it lasts.
 */
export async function pauseAfterBatch(
  session: Queries,
  batchMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { rows } = await sql<{ busy: boolean }>`
    select exists (select from analysis_leases)
      or exists (select from analysis_job_queue where run_at <= now()) as busy
  `.execute(session)
  const share = rows[0]?.busy ? busyShare : idleShare
  await delay(Math.min(longestPauseMs, Math.max(1, batchMs * share)), signal)
}

/** Tells when the time that was given is over. */
export function deadlineOf(clock: Clock, maxDurationMs: number | undefined): () => boolean {
  const end = clock.monotonic() + (maxDurationMs ?? Number.POSITIVE_INFINITY)
  return () => clock.monotonic() >= end
}
