import { sql } from 'kysely'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
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
  /** The instant that its relative dates mean, RFC 3339, and their zone; when it is claimed, in UTC. */
  readonly scheduledFor?: string | null
  readonly scheduleTimezone?: string | null
}

export interface EnqueuedJob {
  readonly id: string
  /** False when a job of this idempotency key was there already; then `id` is that job's. */
  readonly isNew: boolean
}

/**
 * Puts a job into the queue; a service runs it. Safe to repeat with an idempotency key.
 *
 * @throws KilnError PARAMETER_INVALID for text that a job row cannot hold, IDEMPOTENCY_KEY_USED when
 * the job that has the key has other parameters.
 */
export async function enqueueJob(queries: Queries, input: EnqueueInput): Promise<EnqueuedJob> {
  const parameters = parametersText(input.parameters)
  for (;;) {
    const inserted = await insertJob(queries, input, parameters)
    if (inserted) return { id: inserted.id, isNew: true }
    const { analysisId, idempotencyKey: key = '' } = input
    const first = await findJobOfKey(queries, { analysisId, key, parameters })
    if (first?.isSame) return { id: first.id, isNew: false }
    if (first) throw keyUsed(key, first.id)
    // It has been deleted since: the key is free.
  }
}

const insertJob = (queries: Queries, input: EnqueueInput, parameters: string) =>
  queries
    .insertInto('analysisJobs')
    .values({
      analysisId: input.analysisId,
      versionNumber: input.versionNumber,
      parameters,
      triggeredBy: input.triggeredBy,
      priority: input.priority ?? 0,
      maxAttempts: input.maxAttempts ?? null,
      idempotencyKey: input.idempotencyKey ?? null,
      retryOf: input.retryOf ?? null,
      scheduledFor: input.scheduledFor ?? null,
      scheduleTimezone: input.scheduleTimezone ?? null,
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

/**
 * What makes it the same request is its parameters. The others are not compared: a client that asks
 * again may have counted `run_at` from a later now, and the newest version may be another since.
 */
const findJobOfKey = (
  queries: Queries,
  wanted: { readonly analysisId: string; readonly key: string; readonly parameters: string },
) =>
  queries
    .selectFrom('analysisJobs')
    .select([
      'id',
      sql<boolean>`coalesce(parameters, '{}') = ${wanted.parameters}::jsonb`.as('isSame'),
    ])
    .where('analysisId', '=', wanted.analysisId)
    .where('idempotencyKey', '=', wanted.key)
    .executeTakeFirst()

const keyUsed = (key: string, jobId: string): KilnError =>
  new KilnError(
    'IDEMPOTENCY_KEY_USED',
    `the idempotency key "${key}" is that of job ${jobId}, which has other parameters`,
    { hint: 'repeat the request as it was, or choose another key', details: { job_id: jobId } },
  )
