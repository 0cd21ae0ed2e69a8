/** The service in this process, over a real database and real sandboxes. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Context } from '../../../src/core/context.ts'
import { KilnError } from '../../../src/core/errors/index.ts'
import { getJob, rescueJobs } from '../../../src/core/jobs/index.ts'
import { readResult } from '../../../src/core/results/index.ts'
import { serve } from '../../../src/core/scheduler/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  duringNextClaim,
  insertAnalysis,
  insertJob,
  readAttempts,
  readJob,
} from '../../support/queue.ts'
import { waitUntil } from '../../support/wait-until.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const running: { stop: () => Promise<unknown> }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ stop }) => stop()))
  // A failed test must not leave its jobs to the next one's service.
  await pool().query('truncate analyses cascade')
})

const pool = () => test.context.database.pool
const row = (id: string) => readJob(pool(), id)

/** A service that runs until its signal, or with `once` until the queue is empty. */
function startService(
  options: {
    readonly once?: boolean
    readonly concurrency?: number
    readonly settings?: Context['settings']
  } = {},
) {
  const end = new AbortController()
  const haste = new AbortController()
  const context: Context = {
    ...test.context,
    settings: options.settings ?? test.context.settings,
    signal: end.signal,
  }
  const ended = serve(context, {
    programVersion: '0.0.0',
    concurrency: options.concurrency ?? 2,
    once: options.once ?? false,
    haste: haste.signal,
  })
  const stop = () => {
    end.abort(new KilnError('TERMINATED', 'the test ends'))
    haste.abort()
    return ended
  }
  running.push({ stop })
  return { ended, terminate: () => end.abort(), haste: () => haste.abort(), stop }
}
const serveOnce = (concurrency = 2) => startService({ once: true, concurrency }).ended

const statusIs = (id: string, status: string) =>
  waitUntil(`job ${id} is ${status}`, async () => (await row(id)).status === status)

/** Waits until the script of a job has written to the metadata of its analysis. */
const begun = (analysisId: string, count = 1) =>
  waitUntil('the script has begun', async () => {
    const { rows } = await pool().query<{ value: number }>(
      `select value from analysis_metadata where analysis_id = $1 and key = 'runs'`,
      [analysisId],
    )
    return (rows[0]?.value ?? 0) >= count
  })
const countRun = `await ctx.metadata.set('runs', ((await ctx.metadata.get('runs')) ?? 0) + 1);`

describe('serve --once', () => {
  it('ends at once when there is nothing to do', async () => {
    expect(await serveOnce()).toEqual({ completed: 0, failed: 0, cancelled: 0 })
  })

  it('does not take a queue for empty whose front was changed while it claimed', async () => {
    const analysisId = await insertAnalysis(pool())
    const front = await insertJob(pool(), analysisId, { priority: 1 })
    await insertJob(pool(), analysisId)
    const counts = await duringNextClaim(
      pool(),
      () => serveOnce(1),
      () => pool().query('update analysis_jobs set max_lost = 5 where id = $1', [front]),
    )
    expect(counts).toEqual({ completed: 2, failed: 0, cancelled: 0 })
  })

  it('fails rows with garbage clearly and runs the others', async () => {
    const good = await insertAnalysis(pool(), 'export default () => "good"')
    const off = await insertAnalysis(pool(), 'export default () => 1')
    await pool().query('update analyses set is_active = false where id = $1', [off])
    const broken = await insertAnalysis(pool(), 'export default () => {\n  return 1 +\n}')
    const noRun = await insertAnalysis(pool(), 'const x = 1')
    const empty = await insertAnalysis(pool(), '')
    const throwing = await insertAnalysis(pool(), 'throw new Error("at the top")')
    const endless = await insertAnalysis(pool(), 'while (true) {}\nexport default () => 1')
    const typed = await insertAnalysis(
      pool(),
      `export const parameters = { n: { type: 'number', required: true } }
       export default (p) => p.n`,
    )
    const large = await insertAnalysis(
      pool(),
      `export default () => "large"\n// ${'x'.repeat(10 * 1024 ** 2)}`,
    )
    const jobs = {
      unknownVersion: await insertJob(pool(), good, { version_number: 99 }),
      array: await insertJob(pool(), good, { parameters: '[1]' }),
      number: await insertJob(pool(), good, { parameters: '1' }),
      jsonNull: await insertJob(pool(), good, { parameters: 'null' }),
      disabled: await insertJob(pool(), off),
      broken: await insertJob(pool(), broken),
      noRun: await insertJob(pool(), noRun),
      empty: await insertJob(pool(), empty),
      throwing: await insertJob(pool(), throwing),
      endless: await insertJob(pool(), endless),
      missing: await insertJob(pool(), typed),
      wrongType: await insertJob(pool(), typed, { parameters: '{"n": "many"}' }),
      large: await insertJob(pool(), large),
      good: await insertJob(pool(), good),
    }
    const counts = await serveOnce()
    const outcomes: Record<string, unknown> = {}
    for (const [name, id] of Object.entries(jobs)) {
      const { status, result, error_code, error_message } = await row(id)
      // On a busy machine a script that never ends may be ended from outside first.
      const message = error_message?.replace(/ and could not be interrupted$/, '')
      outcomes[name] = status === 'completed' ? result : `${error_code}: ${message}`
    }
    expect(outcomes).toMatchInlineSnapshot(`
      {
        "array": "parameter_error: the parameters of the job are not a JSON object",
        "broken": "definition_error: 3:1: SyntaxError: Unexpected token '}'",
        "disabled": "definition_error: the analysis "test-2" is disabled",
        "empty": "definition_error: the script has no default export: write export default { async run(ctx, params) { … } }, or export default function analyze(params, ctx) { … }",
        "endless": "definition_error: cannot read the script: execution timeout: the job took longer than 2.0 s",
        "good": "good",
        "jsonNull": "good",
        "large": "large",
        "missing": "parameter_error: parameter "n" is missing",
        "noRun": "definition_error: the script has no default export: write export default { async run(ctx, params) { … } }, or export default function analyze(params, ctx) { … }",
        "number": "parameter_error: the parameters of the job are not a JSON object",
        "throwing": "definition_error: 1:7: at the top",
        "unknownVersion": "definition_error: analysis "test" has no version 99, the newest is 1",
        "wrongType": "parameter_error: parameter "n" "many" is not a number",
      }
    `)
    expect(counts.completed + counts.failed).toBe(Object.keys(jobs).length)
  })

  it('takes the next job as soon as one has ended', async () => {
    // The poll would come after the time of this test.
    const settings = { ...test.context.settings, pollIntervalMs: 3_600_000 }
    const analysisId = await insertAnalysis(pool())
    for (let index = 0; index < 5; index += 1) await insertJob(pool(), analysisId)
    expect(await startService({ once: true, concurrency: 1, settings }).ended).toMatchObject({
      completed: 5,
    })
  })

  it('finds the definition of a broken script once', async () => {
    const broken = await insertAnalysis(pool(), 'export default () => {')
    const first = await insertJob(pool(), broken)
    const second = await insertJob(pool(), broken)
    await serveOnce(1)
    expect((await row(first)).error_message).toBe((await row(second)).error_message)
    expect(await row(second)).toMatchObject({ error_code: 'definition_error', logs: [] })
  })

  it('keeps claims while beats crowd in between', async () => {
    const analysisId = await insertAnalysis(pool(), 'export default () => 1')
    await pool().query(
      'insert into analysis_jobs (analysis_id) select $1 from generate_series(1, 60)',
      [analysisId],
    )
    let isOver = false
    const service = serveOnce(4).finally(() => (isOver = true))
    // Each notification makes the executor beat.
    while (!isOver) await pool().query(`select pg_notify('kiln_cancel', '')`)
    expect(await service).toEqual({ completed: 60, failed: 0, cancelled: 0 })
    const { rows } = await pool().query(
      `select outcome, count(*) from analysis_job_attempts
       where job_id in (select id from analysis_jobs where analysis_id = $1) group by outcome`,
      [analysisId],
    )
    expect(rows).toEqual([{ outcome: 'completed', count: 60 }])
  })

  it('is not stopped by jobs whose rows vanish while they run', async () => {
    const analysisId = await insertAnalysis(
      pool(),
      `export default async (p, ctx) => { ${countRun} await new Promise(() => undefined) }`,
    )
    await insertJob(pool(), analysisId)
    const service = startService({ once: true })
    await begun(analysisId)
    await pool().query('delete from analyses where id = $1', [analysisId])
    expect(await service.ended).toEqual({ completed: 0, failed: 0, cancelled: 0 })
  })
})

describe('limits', () => {
  it('stop what a script does too long, too large or too much', async () => {
    const scripts = {
      loop: 'export const limits = { timeoutSeconds: 0.3 }; export default () => { while (true) {} }',
      wait: 'export const limits = { timeoutSeconds: 0.3 }; export default () => new Promise(() => {})',
      memory: `export default () => { const all = []; while (true) all.push(new Array(1e6).fill(0)) }`,
      text: `export default () => 'x'.repeat(11 * 1024 * 1024)`,
      recursion: 'const f = () => f() + 1; export default f',
    }
    const ids = new Map<string, string>()
    for (const [name, script] of Object.entries(scripts)) {
      ids.set(name, await insertJob(pool(), await insertAnalysis(pool(), script)))
    }
    const good = await insertJob(pool(), await insertAnalysis(pool()))
    await serveOnce()
    const codes: Record<string, string | null> = {}
    for (const [name, id] of ids) codes[name] = (await row(id)).error_code
    expect(codes).toEqual({
      loop: 'timeout',
      wait: 'timeout',
      memory: 'memory_limit',
      text: 'result_too_large',
      recursion: 'script_error',
    })
    expect(await row(good)).toMatchObject({ status: 'completed' })
  })
})

describe('results', () => {
  it.each([
    ['null', 'null', null],
    ['nothing', 'undefined', null],
    ['a large integer', '({ n: 10n })', { n: '10' }],
    ['NUL', String.raw`({ text: "a\u0000b" })`, { text: 'a\u0000b' }],
    ['half a pair', String.raw`["\ud83d", "\udc00x"]`, ['\ud83d', '\udc00x']],
    ['300 KB', `'ü'.repeat(150000)`, 'ü'.repeat(150_000)],
  ])('of %s end the job', async (_name, expression, expected) => {
    const analysisId = await insertAnalysis(pool(), `export default () => ${expression}`)
    const id = await insertJob(pool(), analysisId)
    await serveOnce()
    const job = await getJob(test.context, id)
    expect(JSON.parse(await readResult(test.context, job))).toEqual(expected)
  })

  it('nested deeper than Postgres reads end the job', async () => {
    const analysisId = await insertAnalysis(
      pool(),
      `export default () => { let a = []; for (let i = 0; i < 20000; i++) a = [a]; return a }`,
    )
    const id = await insertJob(pool(), analysisId)
    await serveOnce()
    expect(await row(id)).toMatchObject({
      status: 'failed',
      error_code: 'result_not_serializable',
      error_message: expect.stringContaining('nested more than 1000 levels deep') as string,
    })
  })

  it('that JSON cannot say fail the job and name the place', async () => {
    const cases = {
      circle: 'export default () => { const a = {}; a.b = { c: a }; return a }',
      function: 'export default () => ({ rows: [{ f: () => 1 }] })',
      nan: 'export default () => ({ x: { y: NaN } })',
    }
    const messages: Record<string, string | null> = {}
    const ids = new Map<string, string>()
    for (const [name, script] of Object.entries(cases)) {
      ids.set(name, await insertJob(pool(), await insertAnalysis(pool(), script)))
    }
    await serveOnce()
    for (const [name, id] of ids) {
      const { status, error_code, error_message } = await row(id)
      messages[name] = `${status} ${error_code}: ${error_message}`
    }
    expect(messages).toMatchInlineSnapshot(`
      {
        "circle": "failed result_not_serializable: result.b.c is part of a cycle, which JSON cannot hold",
        "function": "failed result_not_serializable: result.rows[0].f is a function, which JSON cannot hold",
        "nan": "failed result_not_serializable: result.x.y is NaN, which JSON cannot hold",
      }
    `)
  })
})

describe('stopping', () => {
  const slow = `export default async (p, ctx) => {
    ${countRun}
    while ((await ctx.metadata.get('go')) !== true) continue
    return 'done'
  }`
  const letGo = (analysisId: string) =>
    pool().query(
      `insert into analysis_metadata (analysis_id, key, value) values ($1, 'go', 'true')`,
      [analysisId],
    )

  it('waits for running jobs and claims no more', async () => {
    const analysisId = await insertAnalysis(pool(), slow)
    const first = await insertJob(pool(), analysisId)
    const service = startService({ concurrency: 1 })
    await begun(analysisId)
    const second = await insertJob(pool(), analysisId)
    service.terminate()
    await letGo(analysisId)
    expect(await service.ended).toEqual({ completed: 1, failed: 0, cancelled: 0 })
    expect(await row(first)).toMatchObject({ status: 'completed', result: 'done' })
    expect(await row(second)).toMatchObject({ status: 'pending', attempt: 0 })
    await pool().query('delete from analysis_jobs where id = $1', [second])
  })

  it('in haste hands running jobs back with all they have logged, and they run again elsewhere', async () => {
    const analysisId = await insertAnalysis(
      pool(),
      slow.replace(countRun, `ctx.log('begun'); ${countRun}`),
    )
    const jobId = await insertJob(pool(), analysisId)
    const service = startService()
    await begun(analysisId)
    service.terminate()
    service.haste()
    expect(await service.ended).toEqual({ completed: 0, failed: 0, cancelled: 0 })
    expect(await row(jobId)).toMatchObject({
      status: 'pending',
      handed_back_count: 1,
      lost_count: 0,
    })
    expect(await readAttempts(pool(), jobId)).toEqual(['handed_back'])
    const { rows: lines } = await pool().query('select message from analysis_job_logs')
    expect(lines).toEqual([{ message: 'begun' }])
    await letGo(analysisId)
    await serveOnce()
    expect(await row(jobId)).toMatchObject({ status: 'completed', result: 'done' })
    expect(await readAttempts(pool(), jobId)).toEqual(['handed_back', 'completed'])
    const { rows } = await pool().query('select from analysis_executors where stopped_at is null')
    expect(rows).toEqual([])
  })

  it('when declared dead drops its scripts and goes on under a new id', async () => {
    const analysisId = await insertAnalysis(pool(), slow)
    const jobId = await insertJob(pool(), analysisId)
    const service = startService()
    await begun(analysisId)
    const before = await row(jobId)
    await waitUntil('it is declared dead', async () => {
      const { rows } = await pool().query<{ beat_count: number }>(
        'select beat_count from analysis_executors where id = $1',
        [before.executor_id],
      )
      const rescue = await rescueJobs(
        test.context.database.queries,
        before.executor_id ?? '',
        rows[0]?.beat_count ?? 0,
      )
      return rescue.pending === 1
    })
    await begun(analysisId, 2)
    const again = await row(jobId)
    expect(again.executor_id).not.toBe(before.executor_id)
    expect(again).toMatchObject({ status: 'running', attempt: 2, lost_count: 1 })
    await letGo(analysisId)
    await statusIs(jobId, 'completed')
    expect(await readAttempts(pool(), jobId)).toEqual(['lost', 'completed'])
    await service.stop()
  })
})
