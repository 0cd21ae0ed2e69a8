/**
 * The queue against random orders of what may happen to a job: executors that claim, finish late,
 * lose replies, die and come back, and operators who cancel in between.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type ClaimedJob,
  beatExecutor,
  cancelJob,
  claimJobs,
  handBackJobs,
  leaseKey,
  rescueJobs,
} from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import {
  addExecutor,
  finishJob,
  holding,
  insertAnalysis,
  insertJob,
  queueDifferences,
} from '../../support/queue.ts'

let test: TestContext
let analysisId: string
beforeAll(async () => {
  test = await openTestContext()
  analysisId = await insertAnalysis(test.context.database.pool)
})
afterAll(() => test.close())

const slots = 3
const slot = fc.nat(slots - 1)
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('enqueue'), maxLost: fc.nat(1) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('claim'),
      slot,
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  // A claim that is committed while its reply is lost.
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('claimUnheard'), slot }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('finish'), slot, fails: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('finishStale'), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel'), pick: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('beat'), slot }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('die'), slot }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('handBack'), slot }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Row {
  id: string
  status: string
  attempt: number
  lost_count: number
  max_lost: number
  handed_back_count: number
  executor_id: string | null
  lease_token: string | null
  outcomes: string[]
}

class Queue {
  /** The executor that now sits in each slot, with the leases it knows. */
  readonly executors = new Map<number, { id: string; leases: Map<string, ClaimedJob> }>()
  readonly jobs: string[] = []
  /** Every lease that ever was, for writes that come too late. */
  readonly stale: ClaimedJob[] = []
  private readonly finals = new Map<string, Row>()

  async apply(action: Step): Promise<void> {
    const { queries, pool } = test.context.database
    switch (action.kind) {
      case 'enqueue':
        this.jobs.push(await insertJob(pool, analysisId, { max_lost: action.maxLost }))
        break
      case 'claim':
      case 'claimUnheard': {
        const executor = await this.executor(action.slot)
        const isHeard = action.kind === 'claim'
        for (const job of await claimJobs(queries, executor.id, isHeard ? action.limit : 1)) {
          this.stale.push(job)
          if (isHeard) executor.leases.set(keyOf(job), job)
        }
        break
      }
      case 'finish': {
        const executor = await this.executor(action.slot)
        const [job] = executor.leases.values()
        if (!job) break
        executor.leases.delete(keyOf(job))
        await finishJob(
          queries,
          { jobId: job.id, leaseToken: job.leaseToken },
          outcome(action.fails),
        )
        break
      }
      case 'finishStale': {
        // Only leases that nobody has: whoever holds one may still be about to write.
        const held = new Set(
          [...this.executors.values()].flatMap(({ leases }) => [...leases.keys()]),
        )
        const stale = this.stale.filter((job) => !held.has(keyOf(job)))
        const job = stale[action.pick % Math.max(1, stale.length)]
        if (!job) break
        const before = await rowOf(job.id)
        const isCurrent = before.status === 'running' && before.lease_token === job.leaseToken
        const written = await finishJob(
          queries,
          { jobId: job.id, leaseToken: job.leaseToken },
          outcome(false),
        )
        expect(written).toBe(isCurrent)
        break
      }
      case 'cancel': {
        const id = this.jobs[action.pick % Math.max(1, this.jobs.length)]
        if (id !== undefined) await cancelJob(queries, id, 'cancelled')
        break
      }
      case 'beat': {
        const executor = await this.executor(action.slot)
        const reply = await beatExecutor(queries, executor.id, holding(...executor.leases.values()))
        expect(reply.isAlive).toBe(true)
        for (const lease of reply.endedLeases) executor.leases.delete(lease)
        // What is left is exactly what the database says runs here.
        const { rows } = await pool.query<{ key: string }>(
          `select id || ' ' || lease_token as key
           from analysis_jobs where executor_id = $1 and status = 'running'`,
          [executor.id],
        )
        expect(rows.map((row) => row.key).toSorted()).toEqual(
          [...executor.leases.keys()].toSorted(),
        )
        break
      }
      case 'die': {
        const executor = this.executors.get(action.slot)
        if (!executor) break
        await rescueJobs(queries, executor.id, await beatCount(executor.id))
        // A dead one that wakes up finds itself fenced out, and nothing runs in its name.
        const reply = await beatExecutor(queries, executor.id, holding(...executor.leases.values()))
        expect(reply).toMatchObject({ isAlive: false, returnedJobs: 0 })
        expect(reply.endedLeases.toSorted()).toEqual([...executor.leases.keys()].toSorted())
        expect(await claimJobs(queries, executor.id, 5)).toEqual([])
        this.executors.delete(action.slot)
        break
      }
      case 'handBack': {
        const executor = this.executors.get(action.slot)
        if (!executor) break
        await handBackJobs(queries, executor.id)
        executor.leases.clear()
        break
      }
    }
  }

  private async executor(index: number) {
    const known = this.executors.get(index)
    if (known) return known
    const added = { id: await addExecutor(test.context), leases: new Map<string, ClaimedJob>() }
    this.executors.set(index, added)
    return added
  }

  async check(): Promise<void> {
    const rows = await allRows()
    expect(rows).toHaveLength(this.jobs.length)
    expect(await queueDifferences(test.context)).toEqual([])
    for (const row of rows) {
      const isFinal = ['completed', 'failed', 'cancelled'].includes(row.status)
      const ended = row.outcomes.length
      expect(row.lost_count).toBeLessThanOrEqual(row.max_lost + 1)
      expect(row.outcomes.filter((name) => name === 'lost')).toHaveLength(row.lost_count)
      expect(row.outcomes.filter((name) => name === 'handed_back')).toHaveLength(
        row.handed_back_count,
      )
      expect(row.attempt).toBe(row.status === 'running' ? ended + 1 : ended)
      if (row.status === 'running') expect(row.lease_token).not.toBe(null)
      if (row.status === 'pending') {
        expect([row.lease_token, row.executor_id]).toEqual([null, null])
      }
      if (!isFinal) continue
      const ends = row.outcomes.filter((name) => !['lost', 'handed_back'].includes(name))
      expect(ends.length).toBeLessThanOrEqual(1)
      const first = this.finals.get(row.id) ?? row
      this.finals.set(row.id, first)
      expect(row).toEqual(first)
    }
    await this.checkCounters(rows)
  }

  private async checkCounters(rows: readonly Row[]): Promise<void> {
    const { rows: counters } = await test.context.database.pool.query<{
      name: string
      value: number
    }>('select name, sum(value) as value from analysis_counters group by name')
    const counted = (name: string) => counters.find((row) => row.name === name)?.value ?? 0
    for (const status of ['completed', 'failed', 'cancelled']) {
      expect(counted(`jobs_${status}`)).toBe(rows.filter((row) => row.status === status).length)
    }
    expect(counted('jobs_lost')).toBe(rows.reduce((sum, row) => sum + row.lost_count, 0))
  }
}

const keyOf = (job: ClaimedJob): string => leaseKey({ jobId: job.id, leaseToken: job.leaseToken })

const outcome = (fails: boolean) => ({
  status: fails ? ('failed' as const) : ('completed' as const),
  resultText: fails ? null : '1',
  error: fails ? { code: 'script_error', message: 'no', stack: null } : null,
  logs: [],
  peakMemoryBytes: null,
})

async function allRows(): Promise<Row[]> {
  const { rows } = await test.context.database.pool.query<Row>(
    `select id, status, attempt, lost_count, max_lost, handed_back_count, executor_id, lease_token,
       array(select outcome from analysis_job_attempts where job_id = id order by number) as outcomes
     from analysis_jobs`,
  )
  return rows
}

async function rowOf(id: string): Promise<Row> {
  const row = (await allRows()).find((candidate) => candidate.id === id)
  if (!row) throw new Error(`there is no job ${id}`)
  return row
}

async function beatCount(id: string): Promise<number> {
  const { rows } = await test.context.database.pool.query<{ beat_count: number }>(
    'select beat_count from analysis_executors where id = $1',
    [id],
  )
  return rows[0]?.beat_count ?? -1
}

it('never gives two leases, never leaves a final state, and counts what happened', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 60 }), async (steps) => {
      await test.context.database.pool.query(
        'truncate analysis_jobs, analysis_executors, analysis_counters cascade',
      )
      const queue = new Queue()
      for (const action of steps) {
        await queue.apply(action)
        await queue.check()
      }
    }),
    { numRuns: 60 },
  )
})
