import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { Context } from '../context.ts'
import { messageOf } from '../errors/index.ts'
import {
  type CommittingJob,
  clearCommitting,
  findCommittingJobs,
  finishJobs,
  rescueJobs,
} from '../jobs/index.ts'
import type { DataFolder } from '../os/index.ts'
import type { WallStats } from '../sandbox/index.ts'
import { readEnding } from './commit-outcome.ts'
import { JobData } from './job-data.ts'

export interface SettleOptions {
  readonly context: Context
  readonly dataFolder: DataFolder
  readonly walls: WallStats
}

/**
 * Ends the doubt about jobs whose executors died while their project's database committed: a marker in
 * it means that the job has completed, none that it is lost as any other. One whose database cannot be
 * opened now, as when the process that writes it is frozen, is left to the next look. Returns how many
 * were settled; safe to repeat, by any number of executors of this data folder.
 */
export async function settleCommits(options: SettleOptions): Promise<number> {
  const { context, dataFolder } = options
  const jobs = await findCommittingJobs(context.database.queries, dataFolder.id)
  let settled = 0
  for (const job of jobs) {
    try {
      await settle(options, job)
      settled += 1
    } catch (error) {
      const { jobId } = job
      context.log.warn(
        { jobId, error: messageOf(error) },
        'cannot read yet whether a job has completed',
      )
    }
  }
  return settled
}

async function settle(
  { context, dataFolder, walls }: SettleOptions,
  { jobId, leaseToken, projectId, executorId }: CommittingJob,
): Promise<void> {
  const { queries } = context.database
  const data = new JobData({
    context,
    dataFolder,
    // The folder of the job may be in use: its executor may only be frozen.
    jobId: randomUUID(),
    projectId,
    datasources: [],
    memoryBytes: context.settings.sandboxMemoryBytes,
    walls,
  })
  try {
    const marker = await data.readMarker(jobId)
    const lease = { jobId, leaseToken }
    if (marker?.leaseToken !== leaseToken) {
      if (await clearCommitting(queries, lease)) await rescueAgain(context, executorId)
      return
    }
    const { resultText, stored } = readEnding(marker)
    await queries.transaction().execute(async (transaction) => {
      const { rows } = await sql<{ ms: number }>`
        select greatest(0, extract(epoch from committing_at - started_at) * 1000)::float8 as ms
        from analysis_jobs
        where id = ${jobId}
      `.execute(transaction)
      const outcome = {
        status: 'completed',
        resultText: stored ? null : resultText,
        error: null,
        // Its log lines are in their table.
        logs: [],
        peakMemoryBytes: null,
        startDelayMs: 0,
        durationMs: rows[0]?.ms ?? 0,
      } as const
      const finished = await finishJobs(transaction, [{ lease, outcome }])
      if (stored && finished.has(jobId)) {
        await transaction
          .insertInto('analysisResultStorage')
          .values({ jobId, ...stored })
          .execute()
      }
    })
    context.log.info({ jobId }, `Job ${jobId} completed successfully`)
  } finally {
    await data.close()
  }
}

/** It was declared dead already: this ends the lease that it has again. */
async function rescueAgain({ database }: Context, executorId: string | null): Promise<void> {
  if (executorId === null) return
  const { rows } = await sql<{ beatCount: number }>`
    select beat_count
    from analysis_executors
    where id = ${executorId}
      and stopped_at is not null
  `.execute(database.queries)
  if (rows[0]) await rescueJobs(database.queries, executorId, rows[0].beatCount)
}
