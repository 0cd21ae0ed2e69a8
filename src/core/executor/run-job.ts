import {
  type AnalysisDefinition,
  type RunnableAnalysis,
  problemsText,
  resolveParameters,
  storeDefinition,
  validateInspection,
} from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { KilnError, isKilnError, messageOf } from '../errors/index.ts'
import { isTimezone } from '../units/index.ts'
import type { ClaimedJob, JobError } from '../jobs/index.ts'
import type { DataFolder } from '../os/index.ts'
import {
  type Sandbox,
  type SandboxOutcome,
  type SandboxPool,
  SandboxUnavailableError,
} from '../sandbox/index.ts'
import { Broker } from './broker.ts'
import { JobData } from './job-data.ts'
import { jobLimits } from './job-limits.ts'
import { databaseMetadata } from './metadata-store.ts'
import type { JobLog } from './job-log.ts'
import { type OpenDatabase, openDatabase } from './open-database.ts'
import { requireDatabase } from './require-database.ts'
import { retryWhileDatabaseIsAway } from './retry-while-database-is-away.ts'
import type { VersionCache } from './version-cache.ts'

export interface RunJobOptions {
  readonly context: Context
  readonly pool: SandboxPool
  readonly dataFolder: DataFolder
  readonly executorId: string
  readonly versions: VersionCache
  readonly job: ClaimedJob
  readonly log: JobLog
  readonly onProgress: (fraction: number, message: string | null) => void
  readonly runChild: (
    parent: RunnableAnalysis,
    name: string,
    parameters: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ) => Promise<string>
  /** A limit of the caller, besides those of script and operator. */
  readonly timeoutMs?: number
  /** The queue may have the job back when it turns out to need what it does not hold. */
  readonly mayReturn: boolean
  /** Aborted when the lease ends or the executor stops: the script is killed. */
  readonly signal: AbortSignal
}

/** What running the script came to; nothing has been written yet. */
export type RunOutcome =
  | {
      readonly status: 'completed'
      readonly resultText: string
      readonly peakMemoryBytes: number
      /** Its project's database, written and not committed: the outcome decides. */
      readonly database?: OpenDatabase
    }
  | {
      readonly status: 'failed'
      readonly error: JobError
      readonly peakMemoryBytes: number
      /** What the analysis wants to happen after a failed attempt. */
      readonly retries?: AnalysisDefinition['retries']
      /** Its script was not begun, for want of a sandbox: the host is to blame, and not the job. */
      readonly isUnbegun?: boolean
    }
  | { readonly status: 'aborted'; readonly peakMemoryBytes: number }
  /** The queue has it again: it waits for its project's database. */
  | { readonly status: 'returned'; readonly peakMemoryBytes: number }

/** The script has run, or could not: this is what is written. */
export type EndedOutcome = Exclude<RunOutcome, { status: 'aborted' | 'returned' }>

/** An error of the job that is known before its script runs. */
class RefusedJob extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Runs the script of a claimed job in a sandbox and says how it ended. Errors of the database
 * reject; everything else, also a job row with garbage in it, is an outcome.
 */
export async function runJob(options: RunJobOptions): Promise<RunOutcome> {
  const { job, signal } = options
  let sandbox: Sandbox | undefined
  try {
    const analysis = await retryWhileDatabaseIsAway(() => options.versions.load(job), { signal })
    if (!analysis.isActive)
      throw new RefusedJob('definition_error', `the analysis "${analysis.name}" is disabled`)
    sandbox = await options.pool.acquire(analysis.projectId, signal)
    const definition = await definitionOf(options, analysis, sandbox)
    const parameters = parametersOf(job, definition)
    if (definition.database !== 'scratch') {
      const lack = await requireDatabase(options, analysis.projectId, definition.database)
      if (lack === 'returned') return { status: 'returned', peakMemoryBytes: 0 }
      if (lack !== undefined) throw new RefusedJob('dependency_error', lack)
    }
    const outcome = await runScript(options, analysis, definition, parameters, sandbox)
    const { retries } = definition
    return outcome.status === 'failed' && retries ? { ...outcome, retries } : outcome
  } catch (error) {
    if (signal.aborted) return { status: 'aborted', peakMemoryBytes: 0 }
    if (error instanceof RefusedJob) return failed(error.code, error.message)
    if (isKilnError(error, 'PARAMETER_INVALID')) return failed('parameter_error', error.message)
    if (isKilnError(error, 'ANALYSIS_NOT_FOUND', 'VERSION_NOT_FOUND', 'ANALYSIS_INVALID')) {
      return failed('definition_error', error.message)
    }
    if (error instanceof SandboxUnavailableError) {
      return { ...failed('sandbox_crashed', error.message), isUnbegun: true }
    }
    throw error
  } finally {
    sandbox?.release()
  }
}

const failed = (code: string, message: string): RunOutcome & { readonly status: 'failed' } => ({
  status: 'failed',
  error: { code, message, stack: null },
  peakMemoryBytes: 0,
})

/** Errors of an inspection that are the script's own, and will be the same the next time. */
const ownErrors = new Set(['script_error', 'definition_error'])

/** The definition of the version; one that came by SQL is read now, once. */
async function definitionOf(
  { context, signal }: RunJobOptions,
  analysis: RunnableAnalysis,
  sandbox: Sandbox,
): Promise<AnalysisDefinition> {
  if (analysis.definitionError !== null) {
    throw new RefusedJob('definition_error', analysis.definitionError)
  }
  if (analysis.definition !== null) return analysis.definition
  const read = await sandbox.inspect(analysis.script)
  if (read.status === 'failed' && !ownErrors.has(read.error.code)) {
    // Bad luck, or a machine too busy: this job fails, the version is read again by the next.
    const code = read.error.code === 'sandbox_crashed' ? 'sandbox_crashed' : 'definition_error'
    throw new RefusedJob(code, `cannot read the script: ${read.error.message}`)
  }
  const inspection = await validateInspection(read)
  const store = (found: Parameters<typeof storeDefinition>[3]) =>
    retryWhileDatabaseIsAway(
      () => storeDefinition(context, analysis.id, analysis.versionNumber, found),
      { signal },
    )
  if (inspection.status === 'valid') {
    const { definition } = inspection
    await store({ definition })
    return definition
  }
  const error = problemsText(inspection.problems)
  await store({ error })
  throw new RefusedJob('definition_error', error)
}

function parametersOf(
  job: ClaimedJob,
  definition: AnalysisDefinition,
): Readonly<Record<string, unknown>> {
  const given = job.parameters ?? {}
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw new RefusedJob('parameter_error', 'the parameters of the job are not a JSON object')
  }
  const timezone = job.scheduleTimezone ?? 'UTC'
  // Of its schedule, which was checked; or written by hand.
  if (job.scheduleTimezone !== null && !isTimezone(timezone)) {
    throw new RefusedJob('parameter_error', `the job's time zone "${timezone}" does not exist`)
  }
  return resolveParameters(definition, given as Record<string, unknown>, {
    now: job.scheduledFor ?? job.startedAt,
    timezone,
  })
}

async function runScript(
  options: RunJobOptions,
  analysis: RunnableAnalysis,
  definition: AnalysisDefinition,
  parameters: Readonly<Record<string, unknown>>,
  sandbox: Sandbox,
): Promise<RunOutcome> {
  const { context, job, signal } = options
  const limits = jobLimits(context.settings, definition.limits, options.timeoutMs)
  const data = new JobData({
    context,
    dataFolder: options.dataFolder,
    jobId: job.id,
    attempt: job.attempt,
    projectId: analysis.projectId,
    datasources: definition.dependencies.datasources,
    memoryBytes: limits.memoryBytes,
    walls: options.pool.walls,
    ...(definition.database === 'scratch' ? {} : { database: definition.database }),
  })
  const close = () =>
    data.close().catch((error: unknown) => {
      // The job's outcome stands; what was left behind is for cleanup.
      context.log.warn({ jobId: job.id, error: messageOf(error) }, 'cannot clear the job folder')
    })
  let database: OpenDatabase | undefined
  const broker = new Broker({
    metadata: databaseMetadata({
      queries: context.database.queries,
      analysisId: analysis.id,
      lease: { jobId: job.id, leaseToken: job.leaseToken },
    }),
    data,
    log: options.log,
    onProgress: options.onProgress,
    runAnalysis: (name, given, callSignal) => {
      if (!definition.dependencies.analyses.includes(name)) {
        throw new RefusedChild(name)
      }
      return options.runChild(analysis, name, given, callSignal)
    },
  })
  try {
    const outcome = await sandbox.run(
      {
        script: analysis.script,
        parametersText: JSON.stringify(parameters),
        context: {
          job: {
            id: job.id,
            attempt: job.attempt,
            idempotencyKey: job.idempotencyKey,
            triggeredBy: job.triggeredBy,
          },
          analysis: { name: analysis.name, version: analysis.versionNumber },
          project: { id: analysis.projectId },
          now: job.scheduledFor ?? job.startedAt,
          datasources: definition.dependencies.datasources,
        },
        limits,
      },
      broker,
      signal,
    )
    const peakMemoryBytes = await data.peakMemoryBytes()
    if (outcome.status === 'completed') database = await openDatabase(data, close)
    return toRunOutcome(outcome, peakMemoryBytes, database)
  } finally {
    await broker.close()
    // One that is to be committed is closed by who does that.
    if (!database) await close()
  }
}

class RefusedChild extends KilnError {
  constructor(name: string) {
    super('DEPENDENCY_MISSING', `analysis "${name}" is not declared in dependencies.analyses`)
  }
}

function toRunOutcome(
  outcome: SandboxOutcome,
  duckdbBytes: number,
  database: OpenDatabase | undefined,
): RunOutcome {
  const peakMemoryBytes = outcome.usage.peakMemoryBytes + duckdbBytes
  switch (outcome.status) {
    case 'completed':
      return {
        status: 'completed',
        resultText: outcome.resultText,
        peakMemoryBytes,
        ...(database ? { database } : {}),
      }
    case 'aborted':
      return { status: 'aborted', peakMemoryBytes }
    case 'failed': {
      const { code, name, message, line, column, stack } = outcome.error
      const place =
        line === null ? '' : ` (line ${line}${column === null ? '' : `, column ${column}`})`
      const label = code === 'script_error' && name !== 'Error' && name !== '' ? `${name}: ` : ''
      return {
        status: 'failed',
        error: { code, message: `${label}${message}${place}`, stack: stack || null },
        peakMemoryBytes,
      }
    }
  }
}
