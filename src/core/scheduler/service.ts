import type { Context } from '../context.ts'
import { databaseError } from '../database/index.ts'
import { Executor, type ServeCounts } from '../executor/index.ts'

export interface ServiceOptions {
  readonly programVersion: string
  /** Jobs that run at a time. */
  readonly concurrency: number
  /** Work until the queue is empty, then end: for CI and cron. */
  readonly once: boolean
  /** Aborted when waiting for the running jobs should end: they go back to the queue. */
  readonly haste: AbortSignal
}

/**
 * The long-running service: claims and runs jobs until the signal is aborted, then waits for the
 * running ones. With `once` it ends when nothing is due.
 *
 * @returns how many jobs ended here, by status.
 */
export async function serve(context: Context, options: ServiceOptions): Promise<ServeCounts> {
  const executor = new Executor(context, {
    kind: 'service',
    concurrency: options.concurrency,
    programVersion: options.programVersion,
  })
  context.log.info({ concurrency: options.concurrency }, 'Analysis Executor starting...')
  try {
    await executor.start()
    options.haste.addEventListener('abort', () => void executor.stop(), { once: true })
    context.log.info({ executorId: executor.id }, 'Job poller started')
    return await executor.serve({ untilEmpty: options.once })
  } catch (error) {
    throw databaseError(error, context.database.target.label)
  } finally {
    await executor.stop()
  }
}
