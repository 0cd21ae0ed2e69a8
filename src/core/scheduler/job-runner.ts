import type { Context } from '../context.ts'
import { messageOf } from '../errors/index.ts'
import {
  Executor,
  type ExecutorActivity,
  type ExecutorOptions,
  type ServeCounts,
} from '../executor/index.ts'
import { delay } from '../os/index.ts'

/** First and longest wait between tries to register anew; each is halved or left whole at random. */
const firstDelayMs = 200
const maxDelayMs = 5000

/** How what runs the jobs of a service does. */
export interface RunnerActivity extends ExecutorActivity {
  /** Not before one is registered, and not while a new one cannot be. */
  readonly hasExecutor: boolean
}

/**
 * Runs jobs for as long as the service does: with one executor, and with a new one when that was
 * declared dead, as after the machine was suspended. Its jobs are others' then, but this process is
 * well.
 */
export class JobRunner {
  private readonly context: Context
  private readonly options: ExecutorOptions
  private executor: Executor | undefined
  private lastTryAt: number

  constructor(context: Context, options: Omit<ExecutorOptions, 'kind'>) {
    this.context = context
    this.options = { ...options, kind: 'service' }
    this.lastTryAt = context.clock.monotonic()
  }

  get activity(): RunnerActivity {
    if (this.executor) return { ...this.executor.activity, hasExecutor: true }
    return {
      hasExecutor: false,
      runningJobs: 0,
      isDraining: false,
      isClaimFailing: false,
      // A registration that hangs is a loop that stands still.
      passAgeMs: this.context.clock.monotonic() - this.lastTryAt,
      beatAgeMs: 0,
    }
  }

  /** Registers an executor; jobs are claimed by `serve`. */
  async start(): Promise<void> {
    const { context, options } = this
    context.log.info({ concurrency: options.concurrency }, 'Analysis Executor starting...')
    await this.startExecutor()
  }

  /** Claims and runs jobs until the context's signal is aborted, or nothing is due. */
  async serve(options: { readonly untilEmpty: boolean }): Promise<ServeCounts> {
    const total = { completed: 0, failed: 0, cancelled: 0 }
    for (;;) {
      const executor = this.executor ?? (await this.startAgain())
      if (!executor) return total
      const counts = await executor.serve(options)
      total.completed += counts.completed
      total.failed += counts.failed
      total.cancelled += counts.cancelled
      if (!executor.isFencedOut || this.context.signal.aborted) return total
      await executor.stop()
      this.executor = undefined
    }
  }

  /** Hands what runs here back to the queue and ends. Safe to call twice. */
  async stop(): Promise<void> {
    await this.executor?.stop()
  }

  /** Undefined when the service is to end first. What declared us dead may keep us from it a while. */
  private async startAgain(): Promise<Executor | undefined> {
    const { log, signal } = this.context
    for (let delayMs = firstDelayMs; !signal.aborted; delayMs = Math.min(2 * delayMs, maxDelayMs)) {
      try {
        return await this.startExecutor()
      } catch (error) {
        log.error({ error: messageOf(error) }, 'cannot register as a new executor: will try again')
      }
      await delay(delayMs * (0.5 + Math.random() / 2), signal).catch(() => undefined)
    }
    return undefined
  }

  private async startExecutor(): Promise<Executor> {
    this.lastTryAt = this.context.clock.monotonic()
    const executor = new Executor(this.context, this.options)
    try {
      await executor.start()
    } catch (error) {
      await executor.stop()
      throw error
    }
    this.executor = executor
    this.context.log.info({ executorId: executor.id }, 'Job poller started')
    return executor
  }
}
