import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { getJob } from '../jobs/index.ts'
import { type JsonDifference, compareJson } from '../units/index.ts'
import { readResult } from './read-result.ts'

export interface ResultComparison {
  /** The first differences, as many as were asked for. */
  readonly differences: readonly JsonDifference[]
  /** All there are. */
  readonly count: number
}

/**
 * Compares the results of two jobs, wherever they are stored.
 *
 * @throws KilnError USAGE, JOB_NOT_FOUND, RESULT_MISSING when one of them has none,
 *   RESULT_UNAVAILABLE.
 */
export async function compareResults(
  context: Pick<Context, 'database' | 'settings'>,
  idA: string,
  idB: string,
  limit: number,
): Promise<ResultComparison> {
  const a = await resultOf(context, idA)
  const b = await resultOf(context, idB)
  const differences: JsonDifference[] = []
  let count = 0
  for (const difference of compareJson(a, b)) {
    if (count < limit) differences.push(difference)
    count += 1
  }
  return { differences, count }
}

async function resultOf(
  context: Pick<Context, 'database' | 'settings'>,
  id: string,
): Promise<unknown> {
  const job = await getJob(context, id)
  if (job.status === 'completed') return JSON.parse(await readResult(context, job))
  // Not with the exit codes of how a job ended: 1 would read as "the results differ".
  throw new KilnError('RESULT_MISSING', `job ${id} is ${job.status} and has no result`, {
    hint: `run: kiln job show ${id}`,
    details: { job_id: id, status: job.status },
  })
}
