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
  context.log.info({ concurrency: options.concurrency }, 'Analysis Executor starting...')
  const total = { completed: 0, failed: 0, cancelled: 0 }
  for (;;) {
    const executor = new Executor(context, {
      kind: 'service',
      concurrency: options.concurrency,
      programVersion: options.programVersion,
    })
    const counts = await serveWith(executor, context, options)
    total.completed += counts.completed
    total.failed += counts.failed
    total.cancelled += counts.cancelled
    // Declared dead, as after the machine was suspended: its jobs are others' now, but this process
    // is well, so it goes on under a new id.
    if (!executor.isFencedOut || context.signal.aborted) return total
  }
}

async function serveWith(
  executor: Executor,
  context: Context,
  { haste, once }: ServiceOptions,
): Promise<ServeCounts> {
  const onHaste = () => void executor.stop()
  try {
    await executor.start()
    haste.addEventListener('abort', onHaste, { once: true })
    context.log.info({ executorId: executor.id }, 'Job poller started')
    return await executor.serve({ untilEmpty: once })
  } catch (error) {
    throw databaseError(error, context.database.target.label)
  } finally {
    haste.removeEventListener('abort', onHaste)
    await executor.stop()
  }
}
