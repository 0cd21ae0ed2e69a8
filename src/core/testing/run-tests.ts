import { randomUUID } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  type AnalysisDefinition,
  problemsText,
  readScriptFile,
  resolveParameters,
  scriptOf,
  validateInspection,
} from '../analyses/index.ts'
import type { Settings } from '../config/index.ts'
import { KilnError, isKilnError, messageOf } from '../errors/index.ts'
import { JobData, jobLimits, largestLimits } from '../executor/index.ts'
import { type Clock, processEntry } from '../os/index.ts'
import { type LogLine, type SandboxOutcome, SandboxPool } from '../sandbox/index.ts'
import { compareJson } from '../units/index.ts'
import { makeFixtures } from './fixtures.ts'
import { type TestCase, type TestFile, findTestFiles, readTestFile } from './test-file.ts'
import { TestHost } from './test-host.ts'

export interface TestInput {
  readonly folder: string
  /** Only files whose name contains it. */
  readonly filter?: string | undefined
  readonly onCase?: (report: CaseReport) => void
}

/** `error`: it is not known whether it would pass, for a reason that is none of the script's. */
export type CaseOutcome = 'passed' | 'failed' | 'error'

export interface CaseReport {
  /** Of the test file, below the folder. */
  readonly file: string
  /** Of the case; the file's own where it has but one. */
  readonly name: string
  readonly outcome: CaseOutcome
  /** Why it failed, one sentence a line. */
  readonly problems: readonly string[]
  /** Where in the script, if it is known. */
  readonly script: string
  readonly line: number | null
  readonly logs: readonly LogLine[]
  readonly durationMs: number
}

interface TestContext {
  readonly settings: Settings
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** As many differences say where to look. */
const shownDifferences = 5

/**
 * Runs every test of a folder, one after the other. What is wrong with one of them, also a file that
 * cannot be read or a defect of Kiln that it meets, is the outcome of that one.
 *
 * @throws KilnError FILE_NOT_FOUND for a folder without tests or a filter without any, SANDBOX_FAILED.
 */
export async function runTests(context: TestContext, input: TestInput): Promise<CaseReport[]> {
  const { filter = '' } = input
  const names = (await findTestFiles(input.folder)).filter((name) => name.includes(filter))
  // A pipeline with a slip in its filter would pass for ever.
  if (names.length === 0) {
    throw new KilnError('FILE_NOT_FOUND', `no test's path contains ${JSON.stringify(filter)}`, {
      hint: 'leave --filter out to run all of them',
    })
  }
  const pool = new SandboxPool({
    entryPath: processEntry('sandbox'),
    nodePath: process.execPath,
    size: 1,
    warm: 1,
    ...largestLimits(context.settings),
  })
  const reports: CaseReport[] = []
  try {
    for (const name of names) {
      for await (const report of runFile(context, pool, input.folder, name)) {
        context.signal.throwIfAborted()
        input.onCase?.(report)
        reports.push(report)
      }
    }
    return reports
  } finally {
    await pool.stop()
  }
}

async function* runFile(
  context: TestContext,
  pool: SandboxPool,
  folder: string,
  name: string,
): AsyncGenerator<CaseReport> {
  const whole = name.slice(0, -'.test.json'.length)
  let file: TestFile
  try {
    file = await readTestFile(folder, name)
  } catch (error) {
    yield endedReport({ file: name, name: whole, script: '' }, error)
    return
  }
  for (const [index, test] of file.cases.entries()) {
    const label = test.name ?? (file.cases.length > 1 ? `${whole} ${index + 1}` : whole)
    yield await runCase(context, pool, { file, test, label })
  }
}

interface Case {
  readonly file: TestFile
  readonly test: TestCase
  readonly label: string
}

async function runCase(
  context: TestContext,
  pool: SandboxPool,
  { file, test, label }: Case,
): Promise<CaseReport> {
  const startedAt = context.clock.monotonic()
  const about = { file: file.name, name: label, script: file.scriptPath }
  // The accounts of DuckDB processes pass through to what is copied into it.
  const folder = await mkdtemp(path.join(tmpdir(), 'kiln-test-'))
  await chmod(folder, 0o711)
  try {
    const run = await execute(context, pool, file, test, folder)
    const { problems, line } = judge(test, run.outcome)
    return {
      ...about,
      outcome: problems.length === 0 ? 'passed' : 'failed',
      problems,
      line,
      logs: run.logs,
      durationMs: Math.round(context.clock.monotonic() - startedAt),
    }
  } catch (error) {
    // No other would fare better.
    if (context.signal.aborted || isKilnError(error, 'SANDBOX_FAILED')) throw error
    return endedReport(about, error, context.clock.monotonic() - startedAt)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function execute(
  context: TestContext,
  pool: SandboxPool,
  file: TestFile,
  test: TestCase,
  folder: string,
): Promise<{ readonly outcome: SandboxOutcome; readonly logs: readonly LogLine[] }> {
  const script = scriptOf(await readScriptFile(file.scriptPath))
  const sandbox = await acquire(pool, context.signal)
  try {
    const inspected = await validateInspection(await sandbox.inspect(script))
    if (inspected.status === 'invalid') {
      throw new KilnError('ANALYSIS_INVALID', problemsText(inspected.problems))
    }
    const { definition } = inspected
    const now = test.now ?? new Date(context.clock.now()).toISOString()
    const parameters = resolveParameters(definition, test.parameters, {
      now,
      timezone: test.timezone,
    })
    const sources = await makeFixtures(test.datasources, {
      folder,
      testFolder: path.dirname(file.path),
      signal: context.signal,
    })
    const limits = jobLimits(context.settings, definition.limits)
    const id = randomUUID()
    const { datasources } = definition.dependencies
    requireFixtures(definition, sources)
    const data = new JobData({
      // Every declared datasource has its data here: the database is never asked.
      context: { settings: context.settings, database: undefined as never },
      dataFolder: { path: folder, id },
      jobId: id,
      projectId: 'test',
      datasources,
      memoryBytes: limits.memoryBytes,
      walls: pool.stats().walls,
      sources,
    })
    const host = new TestHost(data, test)
    try {
      const outcome = await sandbox.run(
        {
          script,
          parametersText: JSON.stringify(parameters),
          context: {
            job: { id, attempt: 1, idempotencyKey: null, triggeredBy: 'test' },
            analysis: { name: path.basename(file.name, '.test.json'), version: 1 },
            project: { id: 'test' },
            now: new Date(now).toISOString(),
            datasources,
          },
          limits,
        },
        host,
        context.signal,
      )
      return { outcome, logs: host.lines }
    } finally {
      await host.close()
      await data.close()
    }
  } finally {
    sandbox.release()
  }
}

function requireFixtures(
  { dependencies, database }: AnalysisDefinition,
  sources: ReadonlyMap<string, unknown>,
): void {
  const missing = dependencies.datasources.filter((name) => !sources.has(name))
  if (missing.length > 0) {
    throw new KilnError(
      'DEPENDENCY_MISSING',
      `the test has no data for the datasource ${missing.map((name) => `"${name}"`).join(', ')}`,
    )
  }
  if (database === 'read' || database === 'write') {
    throw new KilnError(
      'DEPENDENCY_MISSING',
      'the analysis uses the database of its project, which a test does not have',
    )
  }
}

async function acquire(pool: SandboxPool, signal: AbortSignal) {
  try {
    return await pool.acquire('test', signal)
  } catch (error) {
    if (signal.aborted) throw error
    throw new KilnError('SANDBOX_FAILED', `no sandbox starts: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function judge(
  test: TestCase,
  outcome: SandboxOutcome,
): { readonly problems: readonly string[]; readonly line: number | null } {
  if (outcome.status === 'aborted') return { problems: ['it was interrupted'], line: null }
  if (outcome.status === 'failed') {
    const { code, message, line } = outcome.error
    const wanted = test.expected_error
    const fits =
      wanted !== undefined &&
      (wanted.code === undefined || wanted.code === code) &&
      (wanted.message === undefined || message.includes(wanted.message))
    return { problems: fits ? [] : [`it failed with ${code}: ${message}`], line }
  }
  if (test.expected_error !== undefined) {
    return { problems: ['it was expected to fail, and completed'], line: null }
  }
  const differences = [...compareJson(test.expected, JSON.parse(outcome.resultText))]
  const shown = differences.slice(0, shownDifferences).map(({ path: place, kind, a, b }) => {
    if (kind === 'added') return `${place}: not expected, got ${text(b)}`
    if (kind === 'removed') return `${place}: expected ${text(a)}, got nothing`
    return `${place}: expected ${text(a)}, got ${text(b)}`
  })
  const more = differences.length - shown.length
  return { problems: more > 0 ? [...shown, `and ${more} more differences`] : shown, line: null }
}

/** As much of a value as fits a line. */
function text(value: unknown): string {
  const whole = JSON.stringify(value)
  return whole.length > 200 ? `${whole.slice(0, 200)}…` : whole
}

/** Of a test that could not be run to its end. */
const endedReport = (
  about: Pick<CaseReport, 'file' | 'name' | 'script'>,
  error: unknown,
  durationMs = 0,
): CaseReport => ({
  ...about,
  outcome: isKilnError(error) ? 'failed' : 'error',
  problems: [messageOf(error)],
  line: null,
  logs: [],
  durationMs: Math.round(durationMs),
})
