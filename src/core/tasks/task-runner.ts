import { hostname } from 'node:os'
import type { Context } from '../context.ts'
import { databaseError } from '../database/index.ts'
import { WakeUp } from '../executor/index.ts'
import { KilnError, isKilnError, messageOf } from '../errors/index.ts'
import { delay, openDataFolder } from '../os/index.ts'
import {
  type DeclaredTasks,
  type WantedTask,
  attendTasks,
  declareTasks,
  leaveTasks,
  wantedTasks,
} from './declare-tasks.ts'
import type { SystemTask } from './task.ts'
import { TaskLock } from './task-lock.ts'
import { type OpenRun, beginRun, endRun, findOpenRuns, putBackRun } from './task-runs.ts'
import { systemTasks } from './task-table.ts'

/** How often a service says that it takes part, and looks for runs that others left behind. */
const lookEveryMs = 30_000
/** When the database is away. */
const retryMs = 2000
/** A run that its services do not survive, or whose failures may pass, is tried so often. */
const mostAttempts = 3
/** A lock that another command holds, or a full server, may be free after so long; then twice it. */
const tryAgainAfterMs = 60_000

/**
 * Runs the tasks of system schedules that this service takes part in, each under a lock, so that one
 * service at a time does it. If we die here, the lock ends with our connection, and another service,
 * or this one when it is back, runs the task again from the start.
 */
export class TaskRunner {
  private readonly context: Context
  private readonly wanted: readonly WantedTask[]
  private readonly wakeUp = new WakeUp()
  private readonly stopping = new AbortController()
  private readonly underWay = new Map<string, Promise<void>>()
  private declared: DeclaredTasks = new Map()
  private looping: Promise<void> = Promise.resolve()
  private isFailing = false

  /** @throws KilnError SETTING_INVALID for a rule that cannot be followed. */
  constructor(context: Context, tasks: readonly SystemTask[] = systemTasks) {
    this.context = context
    this.wanted = wantedTasks(context.settings, tasks)
  }

  /** Ids of the system schedules that this service takes part in. */
  get scheduleIds(): readonly string[] {
    return [...this.declared.keys()]
  }

  /** Makes the schedules that the settings ask for, and takes part in them. */
  async declare(): Promise<void> {
    if (this.wanted.length === 0) return
    const { id } = await openDataFolder(this.context.settings.dataDir)
    this.declared = await declareTasks(this.context, this.wanted, id)
    await attendTasks(this.context, this.scheduleIds)
  }

  start(): void {
    if (this.declared.size > 0) this.looping = this.loop()
  }

  /** There may be a run to begin. */
  wake(): void {
    this.wakeUp.wake()
  }

  /** Ends what runs here; it is done again by whoever comes next. */
  async stop(): Promise<void> {
    this.stopping.abort(new KilnError('TERMINATED', 'the service is stopping'))
    this.wakeUp.wake()
    await this.looping
    await Promise.all(this.underWay.values())
    if (this.declared.size > 0) await this.attempt(() => leaveTasks(this.context, this.scheduleIds))
  }

  /** Runs what is due and waits for it, for a service that ends when nothing is left to do. */
  async runDue(): Promise<void> {
    if (this.declared.size === 0) return
    await this.look()
    await Promise.all(this.underWay.values())
  }

  private async loop(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const isWell = await this.attempt(() => this.look())
      if (!this.stopping.signal.aborted) await this.wakeUp.next(isWell ? lookEveryMs : retryMs)
    }
  }

  private async look(): Promise<void> {
    const { context } = this
    if (!(await attendTasks(context, this.scheduleIds))) await this.declare()
    for (const run of await findOpenRuns(context.database.queries, this.scheduleIds)) {
      const task = this.declared.get(run.scheduleId)
      if (task && !this.underWay.has(run.scheduleId)) this.begin(task, run)
    }
  }

  private begin(task: SystemTask, run: OpenRun): void {
    const work = this.attempt(() => this.runLocked(task, run)).then(() => {
      this.underWay.delete(run.scheduleId)
    })
    this.underWay.set(run.scheduleId, work)
  }

  private async runLocked(task: SystemTask, run: OpenRun): Promise<void> {
    const lock = await TaskLock.tryAcquire(this.context.database, run.scheduleId)
    if (!lock) return
    try {
      await this.run(task, run, lock)
    } finally {
      await lock.release()
    }
  }

  private async run(task: SystemTask, { id }: OpenRun, lock: TaskLock): Promise<void> {
    const { context } = this
    const { log } = context
    const { queries } = context.database
    const runner = `${hostname()}:${process.pid}`
    const attempt = await beginRun(queries, id, runner)
    if (attempt === undefined) return
    if (attempt > mostAttempts) {
      const error = new KilnError('TASK_LOST', `${mostAttempts} services died while they ran it`)
      log.error({ task: task.name, run: id }, `task ${task.name} failed: ${error.message}`)
      await this.write(() => endRun(queries, id, { error }))
      return
    }
    log.info({ task: task.name, run: id, attempt }, `task ${task.name} started`)
    const startedAt = context.clock.monotonic()
    const signal = AbortSignal.any([this.stopping.signal, lock.lost])
    try {
      const details = await task.run({
        ...context,
        signal,
        operator: { actor: 'scheduler', source: 'scheduler' },
      })
      const durationMs = Math.round(context.clock.monotonic() - startedAt)
      log.info({ task: task.name, run: id, durationMs }, `task ${task.name} completed`)
      await this.write(() => endRun(queries, id, { details }))
    } catch (error) {
      await this.fail(task, { id, attempt, error: signal.aborted ? signal.reason : error })
    }
  }

  private async fail(
    task: SystemTask,
    { id, attempt, error }: { id: string; attempt: number; error: unknown },
  ): Promise<void> {
    const { log, database } = this.context
    if (this.stopping.signal.aborted) {
      log.info({ task: task.name, run: id }, `task ${task.name} interrupted: it is run again`)
      await this.write(() => putBackRun(database.queries, id))
      return
    }
    const failure = isKilnError(error) ? error : databaseError(error)
    const willRetry = failure.isRetryable && attempt < mostAttempts
    const words = willRetry ? 'will be tried again' : 'failed'
    log.error(
      { task: task.name, run: id, code: failure.code },
      `task ${task.name} ${words}: ${failure.message}`,
    )
    const later = { afterMs: attempt * tryAgainAfterMs, error: failure }
    await this.write(() =>
      willRetry
        ? putBackRun(database.queries, id, later)
        : endRun(database.queries, id, { error: failure }),
    )
  }

  /** What is not written is run again: that costs more than to wait for the database. */
  private async write(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await work()
        return
      } catch (error) {
        if (this.stopping.signal.aborted || !databaseError(error).isRetryable) throw error
        await delay(retryMs, this.stopping.signal).catch(() => undefined)
      }
    }
  }

  private async attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      this.isFailing = false
      return true
    } catch (error) {
      // Once, until it goes again: it is tried every few seconds.
      const text = { error: messageOf(error) }
      if (!this.isFailing) this.context.log.warn(text, 'database error: cannot run tasks')
      this.isFailing = true
      return false
    }
  }
}
