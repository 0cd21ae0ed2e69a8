import { createRequire } from 'node:module'
import type ivm from 'isolated-vm'
import type { Context } from '../src/core/context.ts'
import type { Executor } from '../src/core/executor/index.ts'
import { type Figure, interleave, median } from './figure.ts'
import { type BenchExecutor, withBenchExecutor } from './support/executor.ts'
import { type DrainTime, rateOf } from './support/queue/drain-time.ts'
import { startSide } from './support/queue/side.ts'

const rounds = 200
const drains = 5
/** Of each drain: so many that V8's first look at the code is a small part of it, on either side. */
const runs = 2000
/** Twice two cores: what an executor runs at a time unless told otherwise. */
const concurrency = 4
const versions = { 'isolated-vm': '7.0.1' }

const script = `export default {
  parameters: { a: { type: 'number' }, b: { type: 'number' } },
  async run(ctx, params) {
    return { sum: params.a + params.b }
  }
}`
const parameters = { a: 1, b: 2 }

/**
 * What the walls cost: trivial analyses a second, and the time of one.
 */
export default async function sandbox(): Promise<Figure[]> {
  const rate = await measureRate()
  return [rate, ...(await withBenchExecutor('sandbox', measure))]
}

/**
 * Trivial analyses a second through sandboxes, each with a fresh isolate in a confined process that
 * is watched from outside, against fresh isolates in two bare processes. `queue.sandboxes-bare-isolates`
 * is the same with claims and outcomes in Postgres, of which the peer has none.
 */
async function measureRate(): Promise<Figure> {
  const ours = startSide('sandboxes', { concurrency })
  const bare = [startSide('isolates', {}), startSide('isolates', {})]
  try {
    await ours.call('start')
    const samples = await interleave(drains, {
      ours: async () => rateOf(await ours.call<DrainTime>('drain', runs)),
      async bare() {
        const startedAt = performance.now()
        await Promise.all(bare.map((side) => side.call('drain', runs / bare.length)))
        return (runs / (performance.now() - startedAt)) * 1000
      },
    })
    return {
      figure: 'sandbox: trivial analyses, each in a fresh isolate behind the walls',
      unit: 'jobs_per_s',
      ours: median(samples.ours),
      peer: median(samples.bare),
      limit: { atLeast: 0.5 },
      versions,
    }
  } finally {
    await Promise.all([ours, ...bare].map((side) => side.stop()))
  }
}

/**
 * From the claim of a trivial job to its result, with a warm sandbox process, against a bare isolate
 * in this process that runs the same script once. And the same until the result is committed to the
 * database, which the bare isolate has no part in.
 */
async function measure({ context, executor }: BenchExecutor): Promise<Figure[]> {
  const analysisId = await insertAnalysis(context)
  const results: number[] = []
  const samples = await interleave(rounds, {
    stored: async () => {
      const { resultMs, storedMs } = await runJob(executor, analysisId)
      results.push(resultMs)
      return storedMs
    },
    bare: runBare,
  })
  const common = {
    unit: 'ms',
    peer: median(samples.bare),
    versions,
  } as const
  return [
    {
      ...common,
      figure: 'sandbox: claim to result of a trivial analysis, warm',
      ours: median(results.slice(1)),
      limit: { atMost: 3 },
    },
    {
      ...common,
      figure: 'sandbox: claim to committed result of a trivial analysis, warm',
      ours: median(samples.stored),
      limit: { atMost: 5 },
    },
  ]
}

async function insertAnalysis({ database }: Context): Promise<string> {
  const { id } = await database.queries
    .insertInto('analyses')
    .values({ title: 'Bench', name: 'bench', scriptContent: script, projectId: 'bench' })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

async function runJob(
  executor: Executor,
  analysisId: string,
): Promise<{ readonly resultMs: number; readonly storedMs: number }> {
  let claimedAt = 0
  let resultAt = 0
  const end = await executor.runInserted(
    { analysisId, versionNumber: 1, parameters, triggeredBy: 'bench' },
    {
      onStart: () => {
        claimedAt = performance.now()
      },
      onResult: () => {
        resultAt = performance.now()
      },
    },
  )
  if (end.status !== 'completed') throw new Error(`the job ended: ${JSON.stringify(end)}`)
  return { resultMs: resultAt - claimedAt, storedMs: performance.now() - claimedAt }
}

// The bench is a peer's home: only here isolated-vm stands outside of a sandbox.
const { Isolate, ExternalCopy } = createRequire(import.meta.url)('isolated-vm') as typeof ivm

async function runBare(): Promise<number> {
  const startedAt = performance.now()
  const isolate = new Isolate({ memoryLimit: 256 })
  const context = await isolate.createContext()
  const module = await isolate.compileModule(script, { filename: 'bench.js' })
  await module.instantiate(context, () => {
    throw new Error('no imports')
  })
  await module.evaluate()
  const definition = await module.namespace.get('default', { reference: true })
  const run = await definition.get('run', { reference: true })
  const result: unknown = await run.apply(
    undefined,
    [undefined, new ExternalCopy(parameters).copyInto()],
    { result: { promise: true, copy: true }, timeout: 1000 },
  )
  JSON.stringify(result)
  isolate.dispose()
  return performance.now() - startedAt
}
