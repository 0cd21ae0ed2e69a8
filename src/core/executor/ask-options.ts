import { randomUUID } from 'node:crypto'
import {
  type AnalysisDefinition,
  type ParameterOption,
  type RunnableAnalysis,
  problemsText,
  requireChoice,
  requireOptions,
  resolveForOptions,
  storeDefinition,
  validateInspection,
} from '../analyses/index.ts'
import type { Context } from '../context.ts'
import { KilnError, messageOf } from '../errors/index.ts'
import { openDataFolder, processEntry } from '../os/index.ts'
import {
  type LogLine,
  type Sandbox,
  type SandboxOutcome,
  SandboxPool,
  SandboxUnavailableError,
  type WallStats,
} from '../sandbox/index.ts'
import { Broker } from './broker.ts'
import { HostFailure } from './host-failure.ts'
import { JobData } from './job-data.ts'
import { jobLimits, largestLimits } from './job-limits.ts'
import { databaseMetadata } from './metadata-store.ts'

/** Somebody fills in a form: longer than this nobody waits for a list. */
const timeoutMs = 30_000

export interface AskOptionsInput {
  readonly analysis: RunnableAnalysis
  /** Name of a select or multiselect. */
  readonly parameter: string
  /** Values of the others, as far as they are known. */
  readonly given: (definition: AnalysisDefinition) => Readonly<Record<string, unknown>>
  /** What the function logs. */
  readonly onLogLine?: (line: LogLine) => void
}

/**
 * The choices of a parameter. Those that stand in the script come from its definition; a function is
 * run in a sandbox, with the analysis' datasources and limits as a job has them, but it is no job: no
 * row is written, and it can neither keep values nor run other analyses.
 *
 * @throws KilnError PARAMETER_INVALID, ANALYSIS_INVALID, ANALYSIS_INACTIVE, OPTIONS_FAILED when the
 *   function fails, hits a limit or returns no options, SANDBOX_FAILED.
 */
export async function askOptions(
  context: Context,
  { analysis, parameter: name, given, onLogLine }: AskOptionsInput,
): Promise<readonly ParameterOption[]> {
  const pool = new SandboxPool({
    entryPath: processEntry('sandbox'),
    nodePath: process.execPath,
    size: 1,
    warm: 0,
    ...largestLimits(context.settings),
  })
  try {
    const definition = analysis.definition ?? (await inspectStored(context, analysis, pool))
    const parameter = requireChoice(definition, name)
    if (parameter.options !== 'dynamic') return parameter.options ?? []
    if (!analysis.isActive) {
      throw new KilnError('ANALYSIS_INACTIVE', `the analysis "${analysis.name}" is disabled`, {
        hint: `enable it: kiln analysis enable ${analysis.name} --project ${analysis.projectId}`,
      })
    }
    const now = new Date(context.clock.now()).toISOString()
    const parameters = resolveForOptions(definition, parameter, given(definition), {
      now,
      timezone: 'UTC',
    })
    const sandbox = await acquire(context, pool, analysis.projectId)
    const outcome = await call(context, {
      analysis,
      definition,
      name,
      parameters,
      now,
      onLogLine,
      sandbox,
      walls: pool.walls,
    })
    return await requireOptions(parameter, JSON.parse(resultOf(name, outcome)))
  } finally {
    await pool.stop()
  }
}

interface OptionsCall {
  readonly analysis: RunnableAnalysis
  readonly definition: AnalysisDefinition
  readonly name: string
  readonly parameters: Readonly<Record<string, unknown>>
  readonly now: string
  readonly onLogLine: AskOptionsInput['onLogLine']
  readonly sandbox: Sandbox
  readonly walls: WallStats
}

async function call(
  context: Context,
  { analysis, definition, name, parameters, now, onLogLine, sandbox, walls }: OptionsCall,
): Promise<SandboxOutcome> {
  const limits = jobLimits(context.settings, definition.limits, timeoutMs)
  // Names the folder of its DuckDB and its connections; no job has it.
  const id = randomUUID()
  const { datasources } = definition.dependencies
  const data = new JobData({
    context,
    dataFolder: await openDataFolder(context.settings.dataDir),
    jobId: id,
    projectId: analysis.projectId,
    datasources,
    memoryBytes: limits.memoryBytes,
    walls,
  })
  const broker = new Broker({
    metadata: databaseMetadata({
      queries: context.database.queries,
      analysisId: analysis.id,
      lease: null,
    }),
    data,
    log: { append: (lines) => lines.forEach((line) => onLogLine?.(line)) },
    onProgress: () => undefined,
    runAnalysis: () =>
      Promise.reject(
        new HostFailure('dependency_error', 'ctx.runAnalysis: only a job may run jobs'),
      ),
  })
  try {
    return await sandbox.run(
      {
        script: analysis.script,
        parametersText: JSON.stringify(parameters),
        optionsOf: name,
        context: {
          job: { id, attempt: 0, idempotencyKey: null, triggeredBy: 'options' },
          analysis: { name: analysis.name, version: analysis.versionNumber },
          project: { id: analysis.projectId },
          now,
          datasources,
        },
        limits,
      },
      broker,
      context.signal,
    )
  } finally {
    sandbox.release()
    await broker.close()
    await data.close()
  }
}

/** JSON text of what the function returned. */
function resultOf(name: string, outcome: SandboxOutcome): string {
  if (outcome.status === 'completed') return outcome.resultText
  if (outcome.status === 'aborted') throw new KilnError('INTERRUPTED', 'the question was given up')
  const { code, message, line, stack } = outcome.error
  const place = line === null ? '' : ` (line ${line})`
  throw new KilnError(
    'OPTIONS_FAILED',
    `the options function of parameter "${name}" failed, ${code}: ${message}${place}`,
    {
      hint: 'correct the script, or give the value as it is',
      details: { error_code: code, stack },
    },
  )
}

/** What a version declares that came by SQL and has never run; kept, as a first job would. */
async function inspectStored(
  context: Context,
  analysis: RunnableAnalysis,
  pool: SandboxPool,
): Promise<AnalysisDefinition> {
  const refuse = (problems: string) =>
    new KilnError(
      'ANALYSIS_INVALID',
      `the script of "${analysis.name}" is no analysis: ${problems}`,
      {
        hint: `correct it: kiln analysis update ${analysis.name} FILE`,
      },
    )
  if (analysis.definitionError !== null) throw refuse(analysis.definitionError)
  const sandbox = await acquire(context, pool, analysis.projectId)
  try {
    const inspection = await validateInspection(await sandbox.inspect(analysis.script))
    if (inspection.status === 'invalid') throw refuse(problemsText(inspection.problems))
    const { definition } = inspection
    await storeDefinition(context, analysis.id, analysis.versionNumber, { definition })
    return definition
  } finally {
    sandbox.release()
  }
}

async function acquire(context: Context, pool: SandboxPool, projectId: string): Promise<Sandbox> {
  try {
    return await pool.acquire(projectId, context.signal)
  } catch (error) {
    if (!(error instanceof SandboxUnavailableError)) throw error
    throw new KilnError('SANDBOX_FAILED', `no sandbox starts: ${messageOf(error)}`, {
      cause: error,
      hint: 'run npm run build if this is a clone, else install Kiln again',
    })
  }
}
