/**
 * Limits against random orders of what may happen: jobs that are queued, started directly or as
 * children, that end, are cancelled, handed back or lost, while limits come, change and go.
 */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type ClaimedJob,
  admitJobs,
  cancelJob,
  claimJobs,
  finishJobs,
  handBackJobs,
  insertClaimedJob,
  requestSlot,
  rescueJobs,
  withdrawSlotRequest,
} from '../../../src/core/jobs/index.ts'
import { isKilnError } from '../../../src/core/errors/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { addExecutor, declareLimit, insertAnalysis, insertJob } from '../../support/queue.ts'

let test: TestContext
const analyses: string[] = []
const projects = ['p', 'q']
beforeAll(async () => {
  test = await openTestContext()
  for (const title of ['a', 'b', 'c']) {
    analyses.push(
      await insertAnalysis(pool(), undefined, { title, projectId: title === 'c' ? 'q' : 'p' }),
    )
  }
})
afterAll(() => test.close())

const pool = () => test.context.database.pool
const queries = () => test.context.database.queries

const executors = 2
const executor = fc.nat(executors - 1)
const analysis = fc.nat(2)
const limit = fc.option(fc.integer({ min: 1, max: 4 }))
const one = <const Kind extends string>(kind: Kind) => fc.constant(kind)
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: one('enqueue'),
      analysis,
      priority: fc.nat(1),
      isLater: fc.boolean(),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: one('admit'), times: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: one('claim'), executor, count: fc.nat(4) }) },
  { weight: 6, arbitrary: fc.record({ kind: one('finish'), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: one('runDirectly'), executor, analysis }) },
  { weight: 2, arbitrary: fc.record({ kind: one('runChild'), pick: fc.nat(), analysis }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: one('request'), analysis, isWithdrawn: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: one('cancel'), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: one('delete'), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: one('die'), executor }) },
  { weight: 1, arbitrary: fc.record({ kind: one('handBack'), executor }) },
  { weight: 3, arbitrary: fc.record({ kind: one('limitAnalysis'), analysis, limit }) },
  { weight: 2, arbitrary: fc.record({ kind: one('limitProject'), project: fc.nat(1), limit }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Row {
  id: string
  analysis_id: string
  project_id: string
  status: string
  ready: boolean
  waits_for_slot: boolean
  holds_slot: boolean
  waiting_reason: string | null
  is_due: boolean
  is_child: boolean
  analysis_limit: number | null
  project_limit: number | null
}

class World {
  readonly ids: string[] = []
  private readonly running = new Map<string, ClaimedJob & { readonly executorId: string }>()
  private before: readonly Row[] = []

  async apply(action: Step): Promise<void> {
    this.before = await readRows()
    switch (action.kind) {
      case 'enqueue':
        for (let index = 0; index < action.count; index += 1) {
          await insertJob(pool(), analyses[action.analysis] ?? '', {
            priority: action.priority,
            ...(action.isLater ? { run_at: '2999-01-01' } : {}),
          })
        }
        break
      case 'admit':
        await Promise.all(Array.from({ length: action.times }, () => admitJobs(queries())))
        await this.checkNobodyWaitsInVain()
        break
      case 'claim':
        await this.claim(action.executor, action.count)
        break
      case 'finish': {
        const job = this.pickRunning(action.pick)
        if (job) await finish(job)
        break
      }
      case 'runDirectly':
        await this.insertClaimed({ analysis: action.analysis, executorId: this.executor(action) })
        break
      case 'runChild': {
        const parent = this.pickRunning(action.pick)
        if (!parent) break
        const { id: parentJobId, executorId } = parent
        await this.insertClaimed({ analysis: action.analysis, executorId, parentJobId })
        break
      }
      case 'request': {
        const id = randomUUID()
        await requestSlot(queries(), id, analyses[action.analysis] ?? '')
        if (action.isWithdrawn) await withdrawSlotRequest(queries(), id)
        break
      }
      case 'cancel':
        await this.onAny(action.pick, (id) => cancelJob(queries(), id, 'cancelled'))
        break
      case 'delete':
        await this.onAny(action.pick, (id) =>
          pool().query('delete from analysis_jobs where id = $1', [id]),
        )
        break
      case 'die': {
        const id = this.executor(action)
        await rescueJobs(queries(), id, 0)
        this.forget(id)
        this.ids[action.executor] = await addExecutor(test.context)
        break
      }
      case 'handBack':
        await handBackJobs(queries(), this.executor(action))
        this.forget(this.executor(action))
        break
      case 'limitAnalysis':
        await declareLimit(pool(), analyses[action.analysis] ?? '', action.limit)
        break
      case 'limitProject':
        await setProject(projects[action.project] ?? '', action.limit)
        break
    }
  }

  private executor({ executor: index }: { readonly executor: number }): string {
    return this.ids[index] ?? ''
  }

  private pickRunning(pick: number) {
    const jobs = [...this.running.values()]
    const job = jobs[pick % Math.max(1, jobs.length)]
    return job
  }

  private async onAny(pick: number, act: (id: string) => Promise<unknown>): Promise<void> {
    const row = this.before[pick % Math.max(1, this.before.length)]
    if (row) await act(row.id)
  }

  private forget(executorId: string): void {
    for (const [id, job] of this.running) {
      if (job.executorId === executorId) this.running.delete(id)
    }
  }

  private async claim(index: number, count: number): Promise<void> {
    const executorId = this.executor({ executor: index })
    for (const job of await claimJobs(queries(), executorId, count)) {
      this.running.set(job.id, { ...job, executorId })
      const row = this.before.find(({ id }) => id === job.id)
      // Nothing starts under a limit without a slot of it.
      if (row && isLimited(row)) expect(job.holdsSlot).toBe(true)
    }
  }

  private async insertClaimed(input: {
    readonly analysis: number
    readonly executorId: string
    readonly parentJobId?: string
  }): Promise<void> {
    const { executorId, parentJobId } = input
    try {
      const job = await insertClaimedJob(queries(), {
        analysisId: analyses[input.analysis] ?? '',
        versionNumber: 1,
        parameters: {},
        triggeredBy: 'test',
        executorId,
        parentJobId,
      })
      this.running.set(job.id, { ...job, executorId })
    } catch (error) {
      if (!isKilnError(error, 'LIMITS_FULL', 'JOB_LOST')) throw error
    }
  }

  async check(action: Step): Promise<void> {
    const rows = await readRows()
    for (const row of rows) {
      const isPending = row.status === 'pending'
      if (row.waits_for_slot) {
        expect(row).toMatchObject({ status: 'pending', ready: false, holds_slot: false })
        expect(row.waiting_reason).not.toBe(null)
      }
      if (row.holds_slot) expect(row.status === 'running' || (isPending && row.ready)).toBe(true)
      if (isPending) expect(row.ready).toBe(!row.waits_for_slot)
      if (isPending && row.ready && isLimited(row)) expect(row.holds_slot).toBe(true)
    }
    // A limit that is set over what runs already is kept by letting nothing more start.
    const isLimitSet = action.kind.startsWith('limit')
    const groups = [
      ...analyses.map((id) => ({
        id,
        of: (row: Row) => row.analysis_id === id && row.analysis_limit,
      })),
      ...projects.map((id) => ({
        id,
        of: (row: Row) => row.project_id === id && !row.is_child && row.project_limit,
      })),
    ]
    for (const { id, of } of groups) {
      const held = rows.filter((row) => row.holds_slot && of(row))
      const most = held.map(of).find((value) => typeof value === 'number') ?? 0
      if (held.length <= most || isLimitSet) continue
      const heldBefore = this.before.filter((row) => row.holds_slot && of(row))
      expect({ id, held: held.length <= heldBefore.length }).toEqual({ id, held: true })
    }
  }

  /** Called right after an admission: every due job that waits has a limit that is full. */
  async checkNobodyWaitsInVain(): Promise<void> {
    const rows = await readRows()
    const { rows: requests } = await pool().query<{ analysis_id: string }>(
      `select analysis_id from analysis_slot_requests where asked_at > now() - interval '5 s'`,
    )
    for (const row of rows.filter(({ waits_for_slot, is_due }) => waits_for_slot && is_due)) {
      const ofAnalysis =
        rows.filter(({ holds_slot, analysis_id }) => holds_slot && analysis_id === row.analysis_id)
          .length + requests.filter(({ analysis_id }) => analysis_id === row.analysis_id).length
      const ofProject = rows.filter(
        ({ holds_slot, is_child, project_id }) =>
          holds_slot && !is_child && project_id === row.project_id,
      ).length
      const isFull =
        ofAnalysis >= (row.analysis_limit ?? Infinity) ||
        ofProject >= (row.project_limit ?? Infinity)
      expect({ row, ofAnalysis, ofProject, isFull }).toMatchObject({ isFull: true })
    }
  }

  /** Whatever happened: executors that go on empty the queue. */
  async drain(): Promise<void> {
    await pool().query('delete from analysis_slot_requests')
    await pool().query('update analysis_jobs set run_at = now() where run_at > now()')
    for (;;) {
      for (const job of this.running.values()) await finish(job)
      this.running.clear()
      await admitJobs(queries())
      this.before = await readRows()
      await this.claim(0, 100)
      if (this.running.size === 0) break
    }
    const rows = await readRows()
    expect(rows.filter(({ status }) => ['pending', 'running'].includes(status))).toEqual([])
    expect(rows.filter((row) => row.holds_slot || row.waits_for_slot)).toEqual([])
  }
}

const isLimited = (row: Row): boolean => row.analysis_limit !== null || row.project_limit !== null

const setProject = (id: string, most: number | null) =>
  pool().query('update projects set max_concurrent = $2 where id = $1', [id, most])

async function finish(job: ClaimedJob): Promise<void> {
  const outcome = {
    status: 'completed',
    resultText: '1',
    error: null,
    logs: [],
    peakMemoryBytes: null,
    startDelayMs: 0,
    durationMs: 1,
  } as const
  await finishJobs(queries(), [{ lease: { jobId: job.id, leaseToken: job.leaseToken }, outcome }])
}

async function readRows(): Promise<Row[]> {
  const { rows } = await pool().query<Row>(
    `select job.id, job.analysis_id, analysis.project_id, job.status, job.ready,
       job.waits_for_slot, job.holds_slot, job.waiting_reason, job.run_at <= now() as is_due,
       job.parent_job_id is not null as is_child,
       analysis.max_concurrent as analysis_limit, project.max_concurrent as project_limit
     from analysis_jobs job
     join analyses analysis on analysis.id = job.analysis_id
     join projects project on project.id = analysis.project_id
     order by job.created_at, job.id`,
  )
  return rows
}

it('never starts more than a limit allows, leaks no slot, and leaves nobody waiting beside a free one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 50 }), async (steps) => {
      await pool().query(
        `truncate analysis_jobs, analysis_executors, analysis_counters, analysis_slot_requests,
           analysis_leases cascade`,
      )
      for (const id of analyses) await declareLimit(pool(), id, null)
      for (const id of projects) await setProject(id, null)
      const world = new World()
      for (let index = 0; index < executors; index += 1) {
        world.ids.push(await addExecutor(test.context))
      }
      for (const action of steps) {
        await world.apply(action)
        await world.check(action)
      }
      await world.drain()
    }),
    // Before the time of the test is up, so that a failure names its steps.
    { numRuns: 40, interruptAfterTimeLimit: 45_000 },
  )
})
