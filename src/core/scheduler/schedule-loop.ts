import type { Context } from '../context.ts'
import { Listener, databaseError } from '../database/index.ts'
import { WakeUp } from '../executor/index.ts'
import { messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import {
  fireDueSchedules,
  forgetOutdatedRuns,
  lookAtSchedules,
  planNextRuns,
  setAsideFirstDue,
} from '../schedules/index.ts'
import type { TaskRunner } from '../tasks/index.ts'
import type { ServicePart } from './service-part.ts'

/**
 * Looks are this far apart when nothing is due: an edit is notified, so that they only cover a lost
 * notification, and an idle service asks little of its database.
 */
const listeningMs = 5000
/** While notifications do not arrive. */
const deafMs = 1000
/** Timers may go off a little early, and the row is not due yet then. */
const timerMarginMs = 2
/** Another instance holds the rows that are due here: it is done with them soon. */
const contendedMs = 20
/** When the database is away. */
const retryMs = 1000
const usualBatchSize = 500
/** Connections of the pool that firing may take while very many are due. */
const batchesAtATime = 3

/** Fires schedules for as long as the service runs; any number of instances may. */
export class ScheduleLoop implements ServicePart {
  private readonly context: Context
  private readonly tasks: Pick<TaskRunner, 'scheduleIds' | 'wake'>
  private readonly listener: Listener
  private readonly wakeUp = new WakeUp()
  private lastPassAt: number
  private running: Promise<void> = Promise.resolve()
  private isStopped = false
  private isFailing = false
  /** After a batch that failed: schedules one by one, so that the bad one is found. */
  private batchSize = usualBatchSize

  /** @param listenerLog where it is said that notifications do not arrive */
  constructor(
    context: Context,
    tasks: Pick<TaskRunner, 'scheduleIds' | 'wake'>,
    listenerLog: Logger,
  ) {
    this.context = context
    this.tasks = tasks
    this.lastPassAt = context.clock.monotonic()
    this.listener = new Listener({
      target: context.database.target,
      pool: context.database.pool,
      log: listenerLog,
      applicationName: 'kiln schedules listener',
      channels: ['kiln_schedules'],
      onNotification: () => this.wakeUp.wake(),
    })
  }

  get passAgeMs(): number {
    return this.context.clock.monotonic() - this.lastPassAt
  }

  start(): void {
    this.running = this.run()
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.wakeUp.wake()
    await this.running
    await this.listener.stop()
  }

  /** Fires what is due now, for a service that ends when nothing is left to do. */
  async fireOnce(): Promise<void> {
    let waitMs: number | undefined = 0
    while (waitMs === 0 && !this.isStopped) waitMs = await this.attempt(() => this.pass())
  }

  private async run(): Promise<void> {
    await this.listener.start()
    await this.attempt(async () => void (await forgetOutdatedRuns(this.context)))
    while (!this.isStopped) {
      const waitMs = await this.attempt(() => this.pass())
      if (!this.isStopped) await this.wakeUp.next(waitMs ?? retryMs)
    }
  }

  /** Returns how long there is nothing to do. */
  private async pass(): Promise<number> {
    const { context } = this
    const { dueInMs, hasUnplanned, hasTaskRun } = await lookAtSchedules(
      context,
      this.tasks.scheduleIds,
    )
    if (hasTaskRun) this.tasks.wake()
    if (hasUnplanned && (await planNextRuns(context)) > 0) return 0
    const idleMs = this.listener.isListening ? listeningMs : deafMs
    if (dueInMs === null || dueInMs > idleMs) return idleMs
    if (dueInMs > 0) return Math.ceil(dueInMs) + timerMarginMs
    const fired = await this.fire()
    if (fired === usualBatchSize) await this.fireMany()
    return fired > 0 ? 0 : contendedMs
  }

  /** After a full batch: several at a time, so that the database need not wait for this process. */
  private async fireMany(): Promise<void> {
    const fireAll = async (): Promise<void> => {
      while (!this.isStopped && (await this.fire()) === usualBatchSize) {
        this.lastPassAt = this.context.clock.monotonic()
      }
    }
    // Whatever comes of one, the others end before the next pass.
    const all = await Promise.allSettled(Array.from({ length: batchesAtATime }, fireAll))
    for (const one of all) if (one.status === 'rejected') throw one.reason
  }

  private async fire(): Promise<number> {
    const { context, batchSize: limit } = this
    const { scheduleIds: taskIds } = this.tasks
    try {
      const { schedules, jobs, taskRuns, ruleErrors } = await fireDueSchedules(context, {
        limit,
        taskIds,
      })
      if (taskRuns > 0) this.tasks.wake()
      if (schedules < limit) this.batchSize = usualBatchSize
      if (schedules > 0) context.log.info({ schedules, jobs }, 'fired what was due')
      if (ruleErrors > 0) context.log.error({ ruleErrors }, 'rules cannot be followed any more')
      return schedules
    } catch (error) {
      // Of a statement that the database refuses one schedule is the cause, not the connection.
      if (databaseError(error).code !== 'DATABASE_ERROR') throw error
      if (limit === 1) {
        const id = await setAsideFirstDue(context, messageOf(error), taskIds)
        context.log.error({ scheduleId: id, error: messageOf(error) }, 'a schedule cannot be fired')
      }
      this.batchSize = 1
      return 1
    }
  }

  private async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { clock, log } = this.context
    this.lastPassAt = clock.monotonic()
    try {
      const result = await work()
      if (this.isFailing) log.info({}, 'schedules fire again')
      this.isFailing = false
      return result
    } catch (error) {
      if (!this.isFailing)
        log.warn({ error: messageOf(error) }, 'database error: cannot fire schedules')
      this.isFailing = true
      return undefined
    }
  }
}
