import type { RunnableAnalysis } from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { databaseError, repeatOnConflict } from '../database/index.ts'
import { type JobLogLine, cancelJob, checkRequest, sweepInPassing } from '../jobs/index.ts'
import { Executor } from './executor.ts'
import type { JobEnd } from './job-end.ts'

/** The script of an interrupted command stops at the latest after this. */
const stopAfterMs = 500

export interface RunAnalysisInput {
  readonly analysis: RunnableAnalysis
  readonly parameters: Readonly<Record<string, unknown>>
  readonly programVersion: string
  readonly triggeredBy: string
  /** A limit of the caller, besides those of script and operator. */
  readonly timeoutMs?: number
  /** Refuse to run where a script that breaks out would run as our account. */
  readonly requireIsolation?: boolean
  readonly onStart?: (jobId: string) => void
  readonly onLogLine?: (line: JobLogLine) => void
  /** Told when the database goes away meanwhile: the outcome waits for it. */
  readonly onAway?: (message: string) => void
}

/**
 * Runs an analysis here and now, with the executor that services use: the job is inserted already
 * claimed. Aborting the context's signal cancels it. If this process dies the job becomes `failed`
 * with `executor_lost`, found by the next command that looks at jobs.
 *
 * @throws KilnError ANALYSIS_INACTIVE, PARAMETER_INVALID before a job exists, LIMITS_FULL,
 * ISOLATION_MISSING, or a database error.
 */
export async function runAnalysis(context: Context, input: RunAnalysisInput): Promise<JobEnd> {
  const { analysis } = input
  checkRequest(context, analysis, input.parameters)
  await sweepInPassing(context)
  const executor = new Executor(context, {
    kind: 'one_shot',
    concurrency: 1,
    programVersion: input.programVersion,
    requireIsolation: input.requireIsolation ?? false,
    ...(input.onLogLine ? { onLogLine: input.onLogLine } : {}),
    ...(input.onAway ? { onAway: input.onAway } : {}),
  })
  try {
    await executor.start()
    context.signal.throwIfAborted()
    const { timeoutMs } = input
    return await executor.runInserted(
      {
        analysisId: analysis.id,
        versionNumber: analysis.versionNumber,
        parameters: input.parameters,
        triggeredBy: input.triggeredBy,
      },
      {
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        onStart: (jobId) => {
          input.onStart?.(jobId)
          cancelOnAbort(context, executor, jobId)
        },
      },
    )
  } catch (error) {
    throw databaseError(error, context.database.target.label)
  } finally {
    await executor.stop()
  }
}

/** Cancels the job when the operator interrupts the command, also if that was a moment ago. */
function cancelOnAbort(context: Context, executor: Executor, jobId: string): void {
  const { signal, database } = context
  const cancel = () => {
    // The row first: whatever the script manages to finish after this is too late. But the script
    // stops soon in any case, also when somebody holds the row.
    const stop = () => executor.abortAll(signal.reason as Error)
    const timer = setTimeout(stop, stopAfterMs)
    void repeatOnConflict(() => cancelJob(database.queries, jobId, 'cancelled by the operator'))
      .catch(() => undefined)
      .then(stop)
      .finally(() => clearTimeout(timer))
  }
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
}
