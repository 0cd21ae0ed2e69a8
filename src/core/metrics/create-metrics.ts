import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import { childMemoryBytes } from '../os/index.ts'
import { type CumulativeHistogram, cumulativeHistogram } from './histograms.ts'
import type { Statistics } from './read-statistics.ts'

/** Connections of a pool. */
export interface PoolCounts {
  readonly used: number
  readonly idle: number
  /** Calls that wait for a connection. */
  readonly waiting: number
}

export interface MetricsSources {
  /** Rejects while the database is away. */
  readonly readStatistics: () => Promise<Statistics>
  readonly pool: () => PoolCounts
  /** Sandboxes of this process; undefined when it runs no jobs. */
  readonly slots: () => { readonly used: number; readonly free: number } | undefined
}

export interface Metrics {
  readonly contentType: string
  /** Text exposition format 0.0.4. Without the database only what this process knows. */
  render(): Promise<string>
}

/** Gauges that prom-client names like counters, which `promtool check metrics` refuses. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** The metrics of a service. Queue gauges are the same on every instance: take their maximum. */
export function createMetrics(sources: MetricsSources): Metrics {
  const local = new Registry()
  collectDefaultMetrics({ register: local })
  for (const name of misnamed) local.removeSingleMetric(name)
  const pool = gauge(local, 'db_pool_connections', 'Connections of the database pool.', 'state')
  const slots = gauge(local, 'analysis_sandbox_slots', 'Sandboxes of this executor.', 'state')
  const memory = gauge(
    local,
    'analysis_memory_usage_bytes',
    'Resident memory of the service and of its child processes (sandboxes, DuckDB).',
    'process',
  )

  const renderLocal = async (): Promise<string> => {
    for (const [state, count] of Object.entries(sources.pool())) pool.set({ state }, count)
    for (const [state, count] of Object.entries(sources.slots() ?? {})) slots.set({ state }, count)
    memory.set({ process: 'service' }, process.memoryUsage.rss())
    const children = await childMemoryBytes()
    if (children !== undefined) memory.set({ process: 'children' }, children)
    return local.metrics()
  }

  return {
    contentType: local.contentType,
    async render() {
      // A scrape that says what is left beats none while the database is away.
      const statistics = await sources.readStatistics().catch(() => undefined)
      const texts = [await renderLocal()]
      if (statistics) texts.push(await renderStatistics(statistics))
      return texts.join('\n')
    },
  }
}

/** A registry for one scrape: its values belong to the database, not to this process. */
async function renderStatistics(statistics: Statistics): Promise<string> {
  const registry = new Registry()
  const { counters } = statistics
  const jobs = new Counter({
    name: 'analysis_jobs_total',
    help: 'Jobs that ended, by status; all executors, cleaned up or not.',
    labelNames: ['status'],
    registers: [registry],
  })
  for (const status of ['completed', 'failed', 'cancelled']) {
    jobs.inc({ status }, counters[`jobs_${status}`] ?? 0)
  }
  const queue = gauge(registry, 'analysis_queue_jobs', 'Jobs that have not ended.', 'state')
  queue.set({ state: 'due' }, statistics.dueJobs)
  queue.set({ state: 'scheduled' }, statistics.scheduledJobs)
  queue.set({ state: 'waiting' }, statistics.waitingJobs)
  queue.set({ state: 'running' }, statistics.runningJobs)
  gauge(
    registry,
    'analysis_queue_oldest_pending_age_seconds',
    'How long the due job that waits longest has been due.',
  ).set(statistics.oldestDueSeconds)
  gauge(
    registry,
    'analysis_schedule_lag_seconds',
    'How long the most overdue schedule has been due.',
  ).set(statistics.scheduleLagSeconds)
  renderTasks(registry, statistics)
  setBackupGauges(registry, statistics)
  return [
    await registry.metrics(),
    histogramText(
      'analysis_execution_duration_seconds',
      'How long jobs ran, from claim to end.',
      cumulativeHistogram('job_duration_seconds', counters),
    ),
    histogramText(
      'analysis_job_wait_seconds',
      'How long jobs were due before they were claimed.',
      cumulativeHistogram('job_wait_seconds', counters),
    ),
    histogramText(
      'analysis_claim_duration_seconds',
      'How long claims took that found jobs.',
      cumulativeHistogram('claim_duration_seconds', counters),
    ),
  ].join('\n')
}

function renderTasks(registry: Registry, { tasks, lastBackupSeconds }: Statistics): void {
  const lastSuccess = new Map(tasks.map((one) => [one.task, one.lastSuccessSeconds]))
  // A backup counts whoever made it.
  if (lastBackupSeconds !== null) lastSuccess.set('backup', lastBackupSeconds)
  const succeeded = [...lastSuccess].filter(([, seconds]) => seconds !== null)
  if (succeeded.length > 0) {
    const name = 'analysis_task_last_success_timestamp_seconds'
    const metric = gauge(registry, name, 'When a task last succeeded.', 'task')
    for (const [task, seconds] of succeeded) metric.set({ task }, seconds ?? 0)
  }
  if (tasks.length === 0) return
  const duration = gauge(
    registry,
    'analysis_task_last_duration_seconds',
    'How long the last run of a task took.',
    'task',
  )
  const runs = new Counter({
    name: 'analysis_task_runs_total',
    help: 'Runs of tasks that ended, by outcome.',
    labelNames: ['task', 'outcome'],
    registers: [registry],
  })
  for (const { task, lastDurationSeconds, completedRuns, failedRuns } of tasks) {
    if (lastDurationSeconds !== null) duration.set({ task }, lastDurationSeconds)
    runs.inc({ task, outcome: 'completed' }, completedRuns)
    runs.inc({ task, outcome: 'failed' }, failedRuns)
  }
}

/** Of the newest complete backup; absent before the first. */
function setBackupGauges(registry: Registry, statistics: Statistics): void {
  const set = (name: string, help: string, value: number | null): void => {
    if (value !== null) gauge(registry, name, help).set(value)
  }
  set(
    'analysis_backup_size_bytes',
    'What the last complete backup takes on disk.',
    statistics.lastBackupBytes,
  )
  set(
    'analysis_backup_duration_seconds',
    'How long the last complete backup took.',
    statistics.lastBackupDurationSeconds,
  )
  set(
    'analysis_backup_verified_timestamp_seconds',
    'When a complete backup was last verified and found sound.',
    statistics.lastVerifiedBackupSeconds,
  )
}

function gauge(registry: Registry, name: string, help: string, label?: string): Gauge {
  return new Gauge({
    name,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [registry],
  })
}

/** prom-client's histograms only count what their own process observes. */
function histogramText(name: string, help: string, histogram: CumulativeHistogram): string {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} histogram`,
    ...histogram.buckets.map(([bound, count]) => `${name}_bucket{le="${bound}"} ${count}`),
    `${name}_sum ${histogram.sum}`,
    `${name}_count ${histogram.count}`,
    '',
  ].join('\n')
}
