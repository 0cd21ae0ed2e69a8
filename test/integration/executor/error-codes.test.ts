/** Each error code of a job, by a script or an event that produces it. */
import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Context } from '../../../src/core/context.ts'
import { addDatasource } from '../../../src/core/datasources/index.ts'
import { insertClaimedJob, sweepLostExecutors } from '../../../src/core/jobs/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { descendantsOf } from '../../support/descendants.ts'
import { addExecutor, insertAnalysis, insertJob } from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
  const url = test.database.connectionString
  const source = { type: 'postgres' as const, url }
  await addDatasource(test.context, { projectId: 'default', name: 'shop', source })
})
afterEach(() => pool().query('truncate analyses cascade'))
afterAll(() => test.close())

const pool = () => test.context.database.pool

interface Failure {
  readonly status: string
  readonly error_code: string
  readonly error_message: string
  readonly error_stack: string | null
}

async function failureOf(id: string): Promise<Failure> {
  const { rows } = await pool().query<Failure>(
    `select status, error_code, error_message, error_stack from analysis_jobs where id = $1`,
    [id],
  )
  if (!rows[0]) throw new Error(`there is no job ${id}`)
  return rows[0]
}

function serveOnce(settings: Partial<Context['settings']> = {}) {
  const context = { ...test.context, settings: { ...test.context.settings, ...settings } }
  const haste = new AbortController().signal
  return serve(context, { programVersion: '0.0.0', concurrency: 1, once: true, haste })
}

async function runOnce(
  source: string,
  settings: Partial<Context['settings']> = {},
  parameters: Readonly<Record<string, unknown>> = {},
): Promise<Failure> {
  const analysis = await insertAnalysis(pool(), source)
  const job = await insertJob(pool(), analysis, { parameters: JSON.stringify(parameters) })
  await serveOnce(settings)
  return failureOf(job)
}

const sandboxPids = (): readonly number[] =>
  descendantsOf(process.pid).filter((pid) =>
    readFileSync(`/proc/${pid}/maps`, 'utf8').includes('isolated-vm'),
  )

/** Every frame names the script, which is called after its analysis, and nothing else. */
function expectOwnFrames(stack: string | null, atLeast: number): void {
  const frames = stack?.split('\n') ?? []
  expect(frames.length).toBeGreaterThanOrEqual(atLeast)
  for (const frame of frames) expect(frame).toMatch(/^at (?:.+ \()?test\.js:\d+:\d+\)?$/)
}

const inner = `const inner = (ctx) => {
  return work(ctx)
}
export default async function outer(params, ctx) {
  return await inner(ctx)
}
`

describe('the error of a script', () => {
  it.each([
    [
      'script_error',
      `${inner}function work() {
  throw new TypeError('no such phase')
}`,
      'TypeError: no such phase (line 8, column 9)',
      3,
    ],
    [
      'datasource_error',
      `export const dependencies = { datasources: ['shop'] }
export default async function outer(params, ctx) {
  return await ctx.datasource.shop.query('select nothing')
}`,
      /column "nothing" does not exist.* \(line 3, column \d+\)$/,
      1,
    ],
    [
      'dependency_error',
      `export default async function outer(params, ctx) {
  return await ctx.datasource.query('other', 'select 1')
}`,
      'datasource "other" is not declared in dependencies.datasources (line 2, column 31)',
      1,
    ],
    ['result_not_serializable', 'export default () => ({ a: [1, () => 2] })', /result\.a\[1\]/, 0],
    ['result_too_large', 'export default () => "x".repeat(11e6)', /larger than 10\.0 MB/, 0],
    [
      'timeout',
      'export default () => {\n  for (;;);\n}',
      'execution timeout: the script ran longer than 500 ms (line 2, column 3)',
      1,
    ],
    [
      'timeout',
      'export default async (params, ctx) => {\n  await ctx.sleep(60_000)\n}',
      /^execution timeout: the job took longer than 2\.0 s, waiting for ctx\.sleep$/,
      0,
    ],
    [
      'memory_limit',
      'export default () => {\n  const all = []\n  for (;;) all.push(new Float64Array(1e5).fill(1))\n}',
      /went over its memory limit of 64\.0 MB/,
      0,
    ],
    ['definition_error', 'export default () => {\n  return 1 +\n}', /^3:1: SyntaxError/, 0],
    [
      'definition_error',
      `import fs from 'node:fs'\nexport default () => fs`,
      /import of "node:fs" is refused/,
      0,
    ],
  ] as const)('%s', async (code, source, message, frames) => {
    const settings = {
      sandboxTimeoutMs: code === 'timeout' ? 500 : 10_000,
      jobTimeoutMs: code === 'timeout' ? 2000 : 30_000,
      sandboxMemoryBytes: 64 * 1024 ** 2,
    }
    const failure = await runOnce(source, settings)
    expect(failure).toMatchObject({ status: 'failed', error_code: code })
    if (typeof message === 'string') expect(failure.error_message).toBe(message)
    else expect(failure.error_message).toMatch(message)
    if (frames > 0 || failure.error_stack !== null) expectOwnFrames(failure.error_stack, frames)
  })

  it('parameter_error, before a script runs', async () => {
    const source = `export default { parameters: { n: { type: 'number', required: true } }, run: () => 1 }`
    const failure = await runOnce(source, {}, { n: 'many' })
    expect(failure).toMatchObject({ error_code: 'parameter_error', error_stack: null })
    expect(failure.error_message).toContain('n')
  })
})

describe('what happens to a script', () => {
  it.each([
    ['declared', { limits: 'cpuSeconds: 0.2' }],
    ['set by the operator', { sandboxCpuMs: 200 }],
    [
      'set by the operator, though the script asks for more',
      { limits: 'cpuSeconds: 60', sandboxCpuMs: 200 },
    ],
  ])(
    'cpu_limit, %s',
    async (_by, { limits = '', ...settings }: { limits?: string; sandboxCpuMs?: number }) => {
      const source = `export const limits = { ${limits} }\nexport default () => {\n  for (;;);\n}`
      expect(await runOnce(source, settings)).toEqual({
        status: 'failed',
        error_code: 'cpu_limit',
        error_message: 'the script went over its CPU limit of 200 ms',
        error_stack: null,
      })
    },
  )

  it('is not ended by the kernel before the CPU time is over that it may use', async () => {
    const analysis = await insertAnalysis(
      pool(),
      `export default async (params, ctx) => {
        await ctx.metadata.set('begun', true)
        while (!(await ctx.metadata.get('seen'))) await ctx.sleep(10)
      }`,
    )
    await insertJob(pool(), analysis)
    const served = serveOnce({ sandboxTimeoutMs: 7_200_000, jobTimeoutMs: 7_200_000 })
    await waitUntil('the script has begun', async () => {
      const { rows } = await pool().query(`select 1 from analysis_metadata where key = 'begun'`)
      return rows.length > 0
    })
    const seconds = sandboxPids().map((pid) => {
      const limits = readFileSync(`/proc/${pid}/limits`, 'utf8')
      return Number(/^Max cpu time +(\d+)/m.exec(limits)?.[1])
    })
    await pool().query(
      `insert into analysis_metadata (analysis_id, key, value) values ($1, 'seen', 'true')`,
      [analysis],
    )
    await served
    expect(seconds.length).toBeGreaterThan(0)
    for (const limit of seconds) expect(limit).toBeGreaterThan(2 * 7200 + 1)
  })

  it('sandbox_crashed, when its process is killed', async () => {
    const analysis = await insertAnalysis(
      pool(),
      `export default async (params, ctx) => {
        await ctx.metadata.set('begun', true)
        await ctx.sleep(60_000)
      }`,
    )
    const job = await insertJob(pool(), analysis)
    const served = serveOnce()
    await waitUntil('the script has begun', async () => {
      const { rows } = await pool().query(`select 1 from analysis_metadata where key = 'begun'`)
      return rows.length > 0
    })
    for (const pid of sandboxPids()) process.kill(pid, 'SIGKILL')
    await served
    expect(await failureOf(job)).toEqual({
      status: 'failed',
      error_code: 'sandbox_crashed',
      error_message: 'the sandbox process broke: signal SIGKILL',
      error_stack: null,
    })
  })

  it('executor_lost, when the command that ran it is gone', async () => {
    const analysisId = await insertAnalysis(pool(), 'export default () => 1')
    // No process has this id: Linux ends at 4,194,304.
    const executorId = await addExecutor(test.context, { pid: 4_194_305 })
    const job = await insertClaimedJob(test.context.database.queries, {
      analysisId,
      versionNumber: 1,
      parameters: {},
      triggeredBy: 'test',
      executorId,
    })
    await sweepLostExecutors(test.context.database.queries)
    const failure = await failureOf(job.id)
    expect(failure).toMatchObject({ status: 'failed', error_code: 'executor_lost' })
    expect(failure.error_message).toMatch(/^the executor .* died while it ran this job$/)
  })
})
