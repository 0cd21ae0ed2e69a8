import type { Context } from '../context.ts'
import { messageOf } from '../errors/index.ts'
import { type LostExecutor, LostExecutorWatch, leaseRunningJobs } from '../jobs/index.ts'
import { Loop, type ServicePart } from './service-part.ts'

/** Watches for dead executors as long as the service runs, whether or not it runs jobs itself. */
export class RescueLoop implements ServicePart {
  private readonly context: Context
  private readonly watch: LostExecutorWatch
  private readonly loop: Loop
  private lastPassAt: number
  private isDatabaseAway = false
  private readonly problems = new Set<string>()
  private entering: Promise<void> = Promise.resolve()

  constructor(context: Context) {
    this.context = context
    this.watch = new LostExecutorWatch(context)
    this.lastPassAt = context.clock.monotonic()
    this.loop = new Loop(0, () => this.pass())
  }

  get passAgeMs(): number {
    return this.context.clock.monotonic() - this.lastPassAt
  }

  start(): void {
    const { database, log } = this.context
    // Beside the loop: it may take seconds where there are many jobs, and finds nearly never one.
    this.entering = leaseRunningJobs(database.queries).catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, 'cannot look for jobs that run without a lease')
    })
    this.loop.start()
  }

  async stop(): Promise<void> {
    await Promise.all([this.loop.stop(), this.entering])
  }

  private async pass(): Promise<void> {
    const { clock, log } = this.context
    this.lastPassAt = clock.monotonic()
    try {
      for (const lost of await this.watch.look()) this.report(lost)
      if (this.isDatabaseAway) log.info({}, 'looking for dead executors again')
      this.isDatabaseAway = false
    } catch (error) {
      if (!this.isDatabaseAway) {
        log.warn({ error: messageOf(error) }, 'database error: cannot look for dead executors')
      }
      this.isDatabaseAway = true
    }
    this.loop.intervalMs = this.watch.nextLookInMs
  }

  private report({ executorId, label, pending, failed, problem }: LostExecutor): void {
    const { log } = this.context
    if (problem !== undefined) {
      // It is tried again and again, and said once.
      if (!this.problems.has(problem)) log.warn({ executorId }, problem)
      this.problems.add(problem)
    }
    // Two services may see one death; the one that came second has nothing to tell.
    if (pending + failed === 0) return
    const what = executorId === null ? 'jobs ran on no executor' : 'an executor died'
    const fields = { executorId, label, pending, failed }
    log.warn(fields, `${what}: ${executorId === null ? 'they' : 'its jobs'} went back to the queue`)
  }
}
