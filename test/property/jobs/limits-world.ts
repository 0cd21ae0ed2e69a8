import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import type { Context } from '../../../src/core/context.ts'
import { isKilnError } from '../../../src/core/errors/index.ts'
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
import { addExecutor, declareLimit, insertJob, queueDifferences } from '../../support/queue.ts'
import { checkLimits, checkNobodyWaitsInVain, checkStates } from './limits-checks.ts'
import { type Row, isLimited, readRows } from './limits-rows.ts'
import type { Step } from './limits-steps.ts'

export const projects = ['p', 'q']

/** The queue under random steps, and what must hold after each. */
export class World {
  readonly executors: string[] = []
  private readonly context: Pick<Context, 'database'>
  private readonly analyses: readonly string[]
  private readonly running = new Map<string, ClaimedJob & { readonly executorId: string }>()
  /** Pending jobs that an operator holds. */
  private readonly held = new Set<string>()
  private before: readonly Row[] = []

  constructor(context: Pick<Context, 'database'>, analyses: readonly string[]) {
    this.context = context
    this.analyses = analyses
  }

  private get pool() {
    return this.context.database.pool
  }

  private get queries() {
    return this.context.database.queries
  }

  async apply(action: Step): Promise<void> {
    this.before = await readRows(this.pool)
    switch (action.kind) {
      case 'enqueue':
        for (let index = 0; index < action.count; index += 1) {
          await insertJob(this.pool, this.analyses[action.analysis] ?? '', {
            priority: action.priority,
            ...(action.isLater ? { run_at: '2999-01-01' } : {}),
          })
        }
        break
      case 'admit':
        await Promise.all(Array.from({ length: action.times }, () => admitJobs(this.queries)))
        await this.checkNobodyWaitsInVain()
        break
      case 'claim':
        await this.claim(action.executor, action.count)
        break
      case 'finish': {
        const job = this.pickRunning(action.pick)
        if (job) await this.finish(job)
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
        await requestSlot(this.queries, id, this.analyses[action.analysis] ?? '')
        if (action.isWithdrawn) await withdrawSlotRequest(this.queries, id)
        break
      }
      case 'cancel':
        await this.onAny(action.pick, (id) => cancelJob(this.queries, id, 'cancelled'))
        break
      case 'delete':
        await this.onAny(action.pick, (id) =>
          this.pool.query('delete from analysis_jobs where id = $1', [id]),
        )
        break
      case 'hold':
        await this.hold(action.isEach ? undefined : action.pick)
        break
      case 'letGo': {
        const id = [...this.held][action.pick % Math.max(1, this.held.size)]
        if (id === undefined) break
        await this.set(id, 'ready = true')
        this.held.delete(id)
        break
      }
      case 'putOff':
        await this.onAny(action.pick, (id) => this.set(id, `run_at = '2999-01-01'`))
        break
      case 'bringForward':
        await this.onAny(action.pick, (id) => this.set(id, 'run_at = now()'))
        break
      case 'die': {
        const id = this.executor(action)
        await rescueJobs(this.queries, id, 0)
        this.forget(id)
        this.executors[action.executor] = await addExecutor(this.context)
        break
      }
      case 'handBack':
        await handBackJobs(this.queries, this.executor(action))
        this.forget(this.executor(action))
        break
      case 'limitAnalysis':
        await declareLimit(this.pool, this.analyses[action.analysis] ?? '', action.limit)
        break
      case 'limitProject':
        await this.limitProject(projects[action.project] ?? '', action.limit)
        break
    }
  }

  private executor({ executor: index }: { readonly executor: number }): string {
    return this.executors[index] ?? ''
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

  private async hold(pick: number | undefined): Promise<void> {
    const pending = this.before.filter(({ status }) => status === 'pending')
    const chosen = pick === undefined ? pending : pending.slice(pick % Math.max(1, pending.length))
    const ids = chosen.slice(0, pick === undefined ? pending.length : 1).map(({ id }) => id)
    await this.pool.query('update analysis_jobs set ready = false where id = any ($1)', [ids])
    for (const id of ids) this.held.add(id)
  }

  private set(id: string, change: string): Promise<unknown> {
    return this.pool.query(
      `update analysis_jobs set ${change} where id = $1 and status = 'pending'`,
      [id],
    )
  }

  async limitProject(id: string, most: number | null): Promise<void> {
    await this.pool.query('update projects set max_concurrent = $2 where id = $1', [id, most])
  }

  private forget(executorId: string): void {
    for (const [id, job] of this.running) {
      if (job.executorId === executorId) this.running.delete(id)
    }
  }

  private async claim(index: number, count: number): Promise<void> {
    const executorId = this.executor({ executor: index })
    for (const job of await claimJobs(this.queries, executorId, count)) {
      this.running.set(job.id, { ...job, executorId })
      const row = this.before.find(({ id }) => id === job.id)
      expect(this.held.has(job.id)).toBe(false)
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
      const job = await insertClaimedJob(this.queries, {
        analysisId: this.analyses[input.analysis] ?? '',
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

  /** What must hold after each step. */
  async check(action: Step): Promise<void> {
    const rows = await readRows(this.pool)
    checkStates(rows, this.held)
    expect(await queueDifferences(this.context)).toEqual([])
    // A limit that is set over what runs already is kept by letting nothing more start.
    if (!action.kind.startsWith('limit')) checkLimits(this.before, rows)
  }

  private async checkNobodyWaitsInVain(): Promise<void> {
    const { rows: requests } = await this.pool.query<{ analysis_id: string }>(
      `select analysis_id from analysis_slot_requests where asked_at > now() - interval '5 s'`,
    )
    checkNobodyWaitsInVain(
      await readRows(this.pool),
      requests.map((request) => request.analysis_id),
    )
  }

  /** Whatever happened: executors that go on empty the queue. */
  async drain(): Promise<void> {
    await this.pool.query('delete from analysis_slot_requests')
    await this.pool.query(
      `update analysis_jobs set run_at = now() where run_at > now() and status = 'pending'`,
    )
    for (const id of this.held) await this.set(id, 'ready = true')
    this.held.clear()
    for (;;) {
      for (const job of this.running.values()) await this.finish(job)
      this.running.clear()
      await admitJobs(this.queries)
      this.before = await readRows(this.pool)
      await this.claim(0, 100)
      if (this.running.size === 0) break
    }
    const rows = await readRows(this.pool)
    expect(rows.filter(({ status }) => ['pending', 'running'].includes(status))).toEqual([])
    expect(rows.filter((row) => row.holds_slot || row.waits_for_slot)).toEqual([])
  }

  private async finish(job: ClaimedJob): Promise<void> {
    const outcome = {
      status: 'completed',
      resultText: '1',
      error: null,
      logs: [],
      peakMemoryBytes: null,
      startDelayMs: 0,
      durationMs: 1,
    } as const
    await finishJobs(this.queries, [
      { lease: { jobId: job.id, leaseToken: job.leaseToken }, outcome },
    ])
  }
}
