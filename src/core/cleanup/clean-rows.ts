import { sql } from 'kysely'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { type Queries, isPassing } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import type { Batch, Cursor, NamedFile } from './batch.ts'
import type { CleanupInput, CleanupItem, Problems } from './cleanup-report.ts'
import { isBackupUnderWay } from './cleanup-locks.ts'
import { pauseAfterBatch } from './pace.ts'
import type { Retention } from './retention.ts'
import type { RowKind } from './row-kinds.ts'

/** Some 50 to 100 ms of a small server, so that whoever waits for a row of it waits no longer. */
const defaultBatchSize = 500
/** A session that holds one of the rows is waited for no longer than this, then the batch is skipped. */
const lockTimeoutMs = 5000

export interface RowWork {
  readonly context: Pick<Context, 'clock' | 'operator' | 'signal'>
  readonly session: Queries
  readonly input: CleanupInput
  readonly retention: Retention
  readonly isOver: () => boolean
  readonly problems: Problems
  readonly note: (text: string) => void
  /** Deletes files whose rows are gone, those of this data folder; returns what has gone, or would. */
  readonly removeFiles: (files: readonly NamedFile[]) => Promise<{ files: number; bytes: number }>
}

/** Takes one kind of rows, batch by batch; each is committed before its files go. */
export async function cleanRows(work: RowWork, kind: RowKind): Promise<CleanupItem> {
  const { context, session, input, retention, problems } = work
  const before = await instantBefore(session, kind.ageMs(retention))
  const countsResults = input.dryRun && (input.kinds ?? ['results']).includes('results')
  const countedBefore =
    countsResults && kind.kind === 'jobs'
      ? await instantBefore(session, retention.resultsMs)
      : undefined
  const total = { count: 0, files: 0, bytes: 0 }
  let after: Cursor | undefined
  let state: CleanupItem['state'] = 'done'
  for (;;) {
    context.signal.throwIfAborted()
    if (work.isOver()) {
      state = 'unfinished'
      break
    }
    if (kind.hasFiles && !input.dryRun && (await isBackupUnderWay(session))) {
      work.note('a backup is under way: results and jobs stay until it has ended')
      state = 'elsewhere'
      break
    }
    const startedAt = context.clock.monotonic()
    let batch: Batch
    try {
      const isFirst = total.count === 0
      batch = await takeBatch(work, kind, { before, after, countedBefore, isFirst })
    } catch (error) {
      if (!isPassing(error)) throw error
      // Somebody holds a row of it: what is left goes with the next cleanup.
      problems.add(`${kind.kind}: ${messageOf(error)}`)
      state = 'blocked'
      break
    }
    // Committed: if we die here, the files are orphans that the next cleanup recognises. A dry run looks
    // at them as well, since the row does not tell whether the file is there, and ours to delete.
    const removed = await work.removeFiles(batch.files)
    total.count += batch.count
    total.files += removed.files
    total.bytes += removed.bytes
    input.onProgress?.(kind.kind, total.count)
    after = batch.next
    if (!after) break
    if (!input.dryRun) {
      await pauseAfterBatch(session, context.clock.monotonic() - startedAt, context.signal)
    }
  }
  return { kind: kind.kind, rule: kind.rule(retention), ...total, state }
}

interface Place {
  readonly before: string
  readonly after: Cursor | undefined
  readonly countedBefore: string | undefined
  readonly isFirst: boolean
}

function takeBatch(
  work: RowWork,
  kind: RowKind,
  { before, after, countedBefore, isFirst }: Place,
): Promise<Batch> {
  const { context, session, input } = work
  const dryRun = input.dryRun ?? false
  const limit = input.batchSize ?? defaultBatchSize
  return session.transaction().execute(async (transaction) => {
    await sql`
      select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)
    `.execute(transaction)
    const batch = await kind.take(transaction, { before, after, limit, dryRun, countedBefore })
    // Once a kind and run: what goes, and by which limit; a row a batch would drown the others.
    if (!dryRun && isFirst && batch.count > 0) {
      await recordAudit(transaction, context.operator, {
        action: 'cleanup.delete',
        targetType: 'cleanup',
        targetId: kind.kind,
        details: { before, rule: kind.rule(work.retention) },
      })
    }
    return batch
  })
}

/** By the database's clock, once a run: the limit stands still while batches go by. */
async function instantBefore(session: Queries, ageMs: number): Promise<string> {
  const { rows } = await sql<{ before: string }>`
    select now() - make_interval(secs => ${ageMs / 1000}) as before
  `.execute(session)
  return rows[0]?.before ?? '-infinity'
}
