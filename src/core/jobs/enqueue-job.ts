import type { Queries } from '../database/index.ts'
import { parametersText } from './parameters-text.ts'

export interface EnqueueInput {
  readonly analysisId: string
  readonly versionNumber: number | null
  readonly parameters: unknown
  readonly triggeredBy: string
  /** Higher runs first; 0 unless told. */
  readonly priority?: number
  /** RFC 3339; not before this instant. Now unless told. */
  readonly runAt?: string
  /** Attempts it may have; as many as it takes unless told. */
  readonly maxAttempts?: number | null
  readonly idempotencyKey?: string
  readonly retryOf?: string
}

export interface EnqueuedJob {
  readonly id: string
  /** False when a job of this idempotency key was there already; then `id` is that job's. */
  readonly isNew: boolean
}

/**
 * Puts a job into the queue; a service runs it. Safe to repeat with an idempotency key.
 *
 * @throws KilnError PARAMETER_INVALID for text that a job row cannot hold.
 */
export async function enqueueJob(queries: Queries, input: EnqueueInput): Promise<EnqueuedJob> {
  const inserted = await queries
    .insertInto('analysisJobs')
    .values({
      analysisId: input.analysisId,
      versionNumber: input.versionNumber,
      parameters: parametersText(input.parameters),
      triggeredBy: input.triggeredBy,
      priority: input.priority ?? 0,
      maxAttempts: input.maxAttempts ?? null,
      idempotencyKey: input.idempotencyKey ?? null,
      retryOf: input.retryOf ?? null,
      ...(input.runAt === undefined ? {} : { runAt: input.runAt }),
    })
    .onConflict((conflict) =>
      conflict
        .columns(['analysisId', 'idempotencyKey'])
        .where('idempotencyKey', 'is not', null)
        .doNothing(),
    )
    .returning('id')
    .executeTakeFirst()
  if (inserted) return { id: inserted.id, isNew: true }
  const existing = await queries
    .selectFrom('analysisJobs')
    .select('id')
    .where('analysisId', '=', input.analysisId)
    .where('idempotencyKey', '=', input.idempotencyKey ?? null)
    .executeTakeFirstOrThrow()
  return { id: existing.id, isNew: false }
}
