import { sealAudit } from '../audit/index.ts'
import { type Settings, changedSettings, readServiceManager } from '../config/index.ts'
import type { Context } from '../context.ts'
import { databaseError, promptQueries } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import type { ServeCounts } from '../executor/index.ts'
import type { HealthCheck, HttpServer } from '../http/index.ts'
import { silentLogger } from '../log/index.ts'
import { type Statistics, cached, foldCounters, readStatistics } from '../metrics/index.ts'
import { whenAborted } from '../os/index.ts'
import { TaskRunner } from '../tasks/index.ts'
import { type ServiceState, checkService, isStalled } from './check-service.ts'
import { JobRunner } from './job-runner.ts'
import { openHttp } from './open-http.ts'
import { RescueLoop } from './rescue-loop.ts'
import { ScheduleLoop } from './schedule-loop.ts'
import { Loop, type ServicePart } from './service-part.ts'
import { SystemdNotifier } from './systemd-notifier.ts'

export interface ServiceOptions {
  readonly programVersion: string
  /** Jobs that run at a time; 0: no jobs run here. */
  readonly concurrency: number
  /** Refuse to start where scripts that break out would run as our account. */
  readonly requireIsolation?: boolean
  /** Work until the queue is empty, then end: for CI and cron. */
  readonly once: boolean
  /** Fire schedules that are due; yes unless told. */
  readonly firesSchedules?: boolean
  /** Where to listen for HTTP requests; undefined: nowhere. */
  readonly listen?: { readonly host: string; readonly port: number } | undefined
  /** Aborted when waiting for the running jobs should end: they go back to the queue. */
  readonly haste: AbortSignal
}

/** Folding is cheap and never urgent. */
const foldEveryMs = 600_000
/** Often enough that little of the audit log stands unsealed, seldom enough to cost nothing. */
const sealEveryMs = 30_000
/** Statements of the queue and the statistics take milliseconds; a loaded server gets some seconds. */
const answerLimitMs = 15_000
/** Scrapes, health checks and the log share one reading of the queue for so long. */
const statisticsAgeMs = 5000
const checksAgeMs = 1000

/**
 * The long-running service. Its parts: what runs jobs; what fires schedules; the rescue of jobs whose
 * executor died; HTTP; the statistics in the log; what it tells systemd. Parts to come join `parts`.
 */
export class Service {
  private readonly context: Context
  /** With statements that fail as a lost connection when no answer comes for long. */
  private readonly prompt: Context
  private readonly options: ServiceOptions
  private readonly runner: JobRunner | undefined
  private readonly rescue: RescueLoop
  private readonly tasks: TaskRunner | undefined
  private readonly schedules: ScheduleLoop | undefined
  private readonly statisticsLog: Loop
  private readonly parts: readonly ServicePart[]
  private readonly notifier: SystemdNotifier
  private readonly readStatistics: () => Promise<Statistics>
  private readonly readChecks: () => Promise<readonly HealthCheck[]>
  /** Those in force; of the context's some may have changed since. */
  private settings: Settings

  constructor(context: Context, options: ServiceOptions) {
    const { clock, settings } = context
    this.context = context
    const queries = promptQueries(context.database, answerLimitMs)
    this.prompt = { ...context, database: { ...context.database, queries } }
    this.options = options
    this.settings = settings
    if (options.concurrency > 0) {
      const { concurrency, programVersion, requireIsolation = false } = options
      this.runner = new JobRunner(this.prompt, { concurrency, programVersion, requireIsolation })
    }
    this.readStatistics = cached(clock, statisticsAgeMs, () => readStatistics(queries))
    this.readChecks = cached(clock, checksAgeMs, () => checkService(context, this.state))
    this.notifier = new SystemdNotifier(readServiceManager(), context.log)
    this.rescue = new RescueLoop(context)
    if (options.firesSchedules ?? true) {
      this.tasks = new TaskRunner(context)
      // An executor's own listener says when notifications do not arrive; once is enough.
      const listenerLog = this.runner ? silentLogger : context.log
      this.schedules = new ScheduleLoop(context, this.tasks, listenerLog)
    }
    this.statisticsLog = new Loop(settings.metricsIntervalMs, () => this.logStatistics())
    const fold = new Loop(foldEveryMs, async () => void (await foldCounters(queries)))
    const seal = new Loop(sealEveryMs, async () => void (await sealAudit(queries)))
    this.parts = [
      this.statisticsLog,
      fold,
      seal,
      this.rescue,
      ...(this.schedules && !options.once ? [this.schedules] : []),
    ]
  }

  /**
   * Takes the settings that can change while the service runs, and names those that cannot; a mistake
   * changes nothing.
   */
  reload(read: () => Settings): void {
    const { log } = this.context
    try {
      const fresh = read()
      const { logLevel, apiToken, metricsIntervalMs } = fresh
      const settings = { ...this.settings, logLevel, apiToken, metricsIntervalMs }
      const changed = changedSettings(this.settings, settings)
      const waiting = changedSettings(settings, fresh)
      this.settings = settings
      this.statisticsLog.intervalMs = metricsIntervalMs
      if (changed.length > 0) log.info({ logLevel, changed }, 'settings reloaded')
      else log.info({}, 'settings read again: none that a reload changes is different')
      if (waiting.length > 0) log.warn({ waiting }, 'changed settings wait for a restart')
    } catch (error) {
      log.error({ error: messageOf(error) }, 'settings not reloaded: the old ones stay in force')
    }
  }

  /**
   * Works until the context's signal is aborted, or with `once` until nothing is due; then waits for
   * the running jobs, at most for the drain limit, and hands the rest back.
   *
   * @returns how many jobs ended here, by status.
   * @throws KilnError PORT_IN_USE and others of listening, and database errors.
   */
  async run(): Promise<ServeCounts> {
    const { context, options, runner, notifier } = this
    const http = options.listen ? await this.openHttp(options.listen) : undefined
    try {
      await runner?.start()
      await this.tasks?.declare()
      if (options.once) await this.schedules?.fireOnce()
      for (const part of this.parts) part.start()
      if (!options.once) this.tasks?.start()
      notifier.watch(() => this.isAlive())
      await notifier.ready('running')
      if (!options.once) return await this.serve()
      const [counts] = await Promise.all([this.serve(), this.tasks?.runDue()])
      return counts
    } catch (error) {
      throw databaseError(error, context.database.target.label)
    } finally {
      await notifier.stopping('stopping')
      await runner?.stop()
      await Promise.all([...this.parts.map((part) => part.stop()), this.tasks?.stop()])
      await notifier.stop()
      await http?.stop()
    }
  }

  private async serve(): Promise<ServeCounts> {
    const { context, runner, options } = this
    if (!runner) {
      await whenAborted(context.signal)
      return { completed: 0, failed: 0, cancelled: 0 }
    }
    let timer: NodeJS.Timeout | undefined
    const handBack = (why: string): void => {
      context.log.warn({}, `${why}: the running jobs go back to the queue`)
      void runner.stop()
    }
    const drain = (): void => {
      const { runningJobs } = runner.activity
      const limitMs = context.settings.drainTimeoutMs
      context.log.info({ runningJobs, limitMs }, 'stopping: waiting for the running jobs')
      void this.notifier.stopping(`waiting for ${runningJobs} running jobs`)
      timer = setTimeout(() => handBack('the drain limit is over'), limitMs)
    }
    context.signal.addEventListener('abort', drain, { once: true })
    options.haste.addEventListener('abort', () => handBack('second signal'), { once: true })
    if (context.signal.aborted) drain()
    try {
      return await runner.serve({ untilEmpty: options.once })
    } finally {
      clearTimeout(timer)
      context.signal.removeEventListener('abort', drain)
    }
  }

  private openHttp(listen: { readonly host: string; readonly port: number }): Promise<HttpServer> {
    const { prompt, runner, options, readChecks } = this
    return openHttp(listen, {
      context: prompt,
      programVersion: options.programVersion,
      token: () => this.settings.apiToken,
      readChecks,
      readStatistics: this.readStatistics,
      slots: () => {
        if (!runner) return undefined
        const used = runner.activity.runningJobs
        return { used, free: Math.max(0, options.concurrency - used) }
      },
    })
  }

  private get state(): ServiceState {
    const isStopping = this.context.signal.aborted
    const firingAgeMs = this.options.once ? 0 : (this.schedules?.passAgeMs ?? 0)
    const partsAgeMs = Math.max(this.rescue.passAgeMs, firingAgeMs)
    if (!this.runner) {
      return {
        isDraining: isStopping,
        lacksExecutor: false,
        isClaimFailing: false,
        slowestLoopMs: partsAgeMs,
      }
    }
    const { hasExecutor, isDraining, isClaimFailing, passAgeMs, beatAgeMs } = this.runner.activity
    return {
      isDraining: isDraining || isStopping,
      lacksExecutor: !hasExecutor,
      isClaimFailing,
      // A stopping executor claims no more, but still beats.
      slowestLoopMs: Math.max(partsAgeMs, beatAgeMs, isStopping ? 0 : passAgeMs),
    }
  }

  /** A restart mends a stuck loop, but not a database that is away: scripts would die for nothing. */
  private async isAlive(): Promise<boolean> {
    if (!isStalled(this.context, this.state)) return true
    const checks = await this.readChecks()
    return checks.some(({ name, ok }) => name === 'database' && !ok)
  }

  private async logStatistics(): Promise<void> {
    const statistics = await this.readStatistics()
    const { runningJobs, dueJobs } = statistics
    const totalResults = statistics.counters.jobs_completed ?? 0
    const text = `${runningJobs} running jobs, ${totalResults} total results`
    this.context.log.info({ runningJobs, dueJobs, totalResults }, `Analysis system stats: ${text}`)
    if (!this.context.signal.aborted) await this.notifier.status(text)
  }
}

/** A service from its start to its end, for callers that never reload its settings. */
export function serve(context: Context, options: ServiceOptions): Promise<ServeCounts> {
  return new Service(context, options).run()
}
