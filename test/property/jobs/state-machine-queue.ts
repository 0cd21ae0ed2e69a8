import { spawnSync } from 'node:child_process'
import { expect } from 'vitest'
import { ClaimNumbers } from '../../../src/core/executor/claim-numbers.ts'
import { isLockTimeout } from '../../../src/core/database/index.ts'
import {
  type ClaimedJob,
  type Lease,
  beatExecutor,
  cancelJob,
  claimJobs,
  handBackJobs,
  leaseKey,
  releaseJobs,
  rescueJobs,
  retireExecutor,
  retryLater,
  returnLost,
  sweepLostExecutors,
} from '../../../src/core/jobs/index.ts'
import type { TestContext } from '../../support/core-context.ts'
import { addExecutor, finishJob, holding, insertJob } from '../../support/queue.ts'
import { Checks, allRows, isFinal } from './state-machine-checks.ts'
import { type Step, slots } from './state-machine-steps.ts'

/** An executor with the leases it knows. */
interface Executor {
  readonly id: string
  readonly claims: ClaimNumbers
  readonly leases: Map<string, Lease>
  isDead: boolean
}

const error = { code: 'script_error', message: 'no', stack: null }
type HowToWrite = Extract<Step, { kind: 'writeStale' }>['how']

/** The queue, and the executors that think they know it. */
export class Queue {
  private readonly test: TestContext
  private readonly analysisId: string
  private readonly checks: Checks
  private readonly executors: Executor[] = []
  private readonly jobs: string[] = []
  /** Every lease that ever was. */
  private readonly everHeld: Lease[] = []
  /** How often somebody was told that a job's end is written. */
  private readonly ends = new Map<string, number>()

  constructor(test: TestContext, analysisId: string) {
    this.test = test
    this.analysisId = analysisId
    this.checks = new Checks(test)
  }

  async open(): Promise<void> {
    for (let slot = 0; slot < slots; slot += 1) await this.register(slot)
  }

  /** One step, whose answer is checked too; of several at once only what is left of them. */
  async apply(steps: readonly Step[]): Promise<void> {
    const isAlone = steps.length === 1
    await Promise.all(steps.map((step) => this.do(step, isAlone)))
    await this.checks.run(this.jobs.length)
    for (const count of this.ends.values()) expect(count).toBe(1)
  }

  /** When all executors are gone, new ones bring every job to its end: none is stuck. */
  async drain(): Promise<void> {
    for (const { id } of this.executors) await this.declareDead(id)
    await sweepLostExecutors(this.queries)
    const last = await addExecutor(this.test.context)
    for (;;) {
      const claimed = await claimJobs(this.queries, last, 100)
      if (claimed.length === 0) break
      for (const job of claimed) expect(await this.write('finish', leaseOf(job))).toBe(true)
    }
    expect((await allRows(this.test)).filter((row) => !isFinal(row))).toEqual([])
    await this.checks.run(this.jobs.length)
  }

  private get queries() {
    return this.test.context.database.queries
  }

  private async do(step: Step, isAlone: boolean): Promise<void> {
    const { pool } = this.test.context.database
    switch (step.kind) {
      case 'enqueue':
        this.jobs.push(await insertJob(pool, this.analysisId, { max_lost: step.maxLost }))
        return
      case 'cancel': {
        const id = this.jobs[step.pick % Math.max(1, this.jobs.length)]
        if (id !== undefined) await cancelJob(this.queries, id, 'cancelled')
        return
      }
      case 'sweep': {
        const { problems } = await sweepLostExecutors(this.queries)
        expect(problems).toEqual([])
        return
      }
      case 'writeStale':
        return this.writeStale(step.how, step.pick, isAlone)
      default:
        return this.doInSlot(step, this.executors[step.slot] as Executor, isAlone)
    }
  }

  private async doInSlot(
    step: Extract<Step, { slot: number }>,
    executor: Executor,
    isAlone: boolean,
  ): Promise<void> {
    const { pool } = this.test.context.database
    switch (step.kind) {
      case 'claim':
        return this.claim(executor, step.limit, isAlone, true)
      case 'claimUnheard':
        return this.claim(executor, 1, isAlone, false)
      case 'finish':
        return this.writeHeld(step.fails ? 'fail' : 'finish', executor, isAlone)
      case 'retryLater':
      case 'returnLost':
        return this.writeHeld(step.kind, executor, isAlone)
      case 'release': {
        const leases = [...executor.leases.values()].slice(0, step.count)
        for (const lease of leases) executor.leases.delete(leaseKey(lease))
        const current = await this.current(leases)
        const released = await releaseJobs(this.queries, leases)
        if (isAlone) expect(released).toBe(current.length)
        return
      }
      case 'beat':
        return this.beat(executor, step.slot, isAlone)
      case 'stall':
        await this.declareDead(executor.id)
        if (isAlone) expect(await this.current([...executor.leases.values()])).toEqual([])
        executor.isDead = true
        return
      case 'vanish':
        await pool.query(
          `update analysis_executors
           set process_identity = jsonb_set(process_identity, '{pid}', $2::jsonb)
           where id = $1`,
          [executor.id, String(spawnSync('true').pid)],
        )
        return this.register(step.slot)
      case 'retire':
        await retireExecutor(this.queries, executor.id)
        return this.register(step.slot)
      case 'handBack':
        executor.leases.clear()
        await handBackJobs(this.queries, executor.id)
        return
    }
  }

  private async claim(
    executor: Executor,
    limit: number,
    isAlone: boolean,
    isHeard: boolean,
  ): Promise<void> {
    await executor.claims.run(async (number) => {
      const claimed = await claimJobs(this.queries, executor.id, limit, number)
      if (isAlone && executor.isDead) expect(claimed).toEqual([])
      for (const lease of claimed.map(leaseOf)) {
        this.everHeld.push(lease)
        if (isHeard) executor.leases.set(leaseKey(lease), lease)
      }
    })
  }

  private async beat(executor: Executor, slot: number, isAlone: boolean): Promise<void> {
    const held = {
      ...holding(),
      leases: [...executor.leases.values()],
      claimsSettledBelow: executor.claims.settledBelow,
    }
    const reply = await beatExecutor(this.queries, executor.id, held)
    for (const lease of reply.endedLeases) executor.leases.delete(lease)
    if (isAlone) {
      expect(reply.isAlive).toBe(!executor.isDead)
      // What is left is exactly what the database says runs here.
      const running = (await allRows(this.test)).filter(
        (row) => row.status === 'running' && row.executor_id === executor.id,
      )
      expect(running.map((row) => `${row.id} ${row.lease_token}`).toSorted()).toEqual(
        [...executor.leases.keys()].toSorted(),
      )
    }
    // It has learnt it: a new one goes on.
    if (!reply.isAlive) await this.register(slot)
  }

  private async writeHeld(
    how: HowToWrite | 'fail',
    executor: Executor,
    isAlone: boolean,
  ): Promise<void> {
    const [lease] = executor.leases.values()
    if (!lease) return
    executor.leases.delete(leaseKey(lease))
    await this.writeAndCheck(how, lease, isAlone)
  }

  private async writeStale(how: HowToWrite, pick: number, isAlone: boolean): Promise<void> {
    // Only leases that nobody has: whoever holds one may still be about to write.
    const held = new Set(this.executors.flatMap(({ leases }) => [...leases.keys()]))
    const stale = this.everHeld.filter((lease) => !held.has(leaseKey(lease)))
    const lease = stale[pick % Math.max(1, stale.length)]
    if (lease) await this.writeAndCheck(how, lease, isAlone)
  }

  private async writeAndCheck(
    how: HowToWrite | 'fail',
    lease: Lease,
    isAlone: boolean,
  ): Promise<void> {
    const before = isAlone ? await this.current([lease]) : []
    const isWritten = await this.write(how, lease)
    if (!isAlone) return
    const [row] = before
    expect(isWritten).toBe(
      row !== undefined && (how !== 'returnLost' || row.lost_count < row.max_lost),
    )
  }

  private async write(how: HowToWrite | 'fail', lease: Lease): Promise<boolean> {
    switch (how) {
      case 'release':
        return (await releaseJobs(this.queries, [lease])) === 1
      case 'retryLater':
        return retryLater(this.queries, lease, error, 0)
      case 'returnLost':
        return returnLost(this.queries, lease, error, 0)
      case 'finish':
      case 'fail': {
        const isWritten = await finishJob(this.queries, lease, outcome(how === 'fail')).catch(
          (cause: unknown) => {
            // Another step has the row locked: a real executor tries again.
            if (isLockTimeout(cause)) return false
            throw cause
          },
        )
        if (isWritten) this.ends.set(lease.jobId, (this.ends.get(lease.jobId) ?? 0) + 1)
        return isWritten
      }
    }
  }

  /** Rows of those leases that hold. */
  private async current(leases: readonly Lease[]) {
    const keys = new Set(leases.map(leaseKey))
    return (await allRows(this.test)).filter(
      (row) => row.status === 'running' && keys.has(`${row.id} ${row.lease_token}`),
    )
  }

  private async declareDead(id: string): Promise<void> {
    const { rows } = await this.test.context.database.pool.query<{ beat_count: number }>(
      'select beat_count from analysis_executors where id = $1',
      [id],
    )
    await rescueJobs(this.queries, id, rows[0]?.beat_count ?? -1)
  }

  private async register(slot: number): Promise<void> {
    this.executors[slot] = {
      id: await addExecutor(this.test.context),
      claims: new ClaimNumbers(),
      leases: new Map(),
      isDead: false,
    }
  }
}

const leaseOf = ({ id, leaseToken }: ClaimedJob): Lease => ({ jobId: id, leaseToken })

const outcome = (fails: boolean) => ({
  status: fails ? ('failed' as const) : ('completed' as const),
  resultText: fails ? null : '1',
  error: fails ? error : null,
  logs: [],
  peakMemoryBytes: null,
})
