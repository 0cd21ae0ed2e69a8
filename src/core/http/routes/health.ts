import { jobsProcessed } from '../../metrics/index.ts'
import { isReady } from '../health-check.ts'
import { HttpProblem } from '../http-problem.ts'
import { type Reply, jsonReply } from '../reply.ts'
import type { RouteRequest } from '../route.ts'

/** As many running jobs mean that the service is busier than it should be. */
const degradedFrom = 50

/** The process answers; nothing else is asked, so that an outage of Postgres restarts nobody. */
export async function live(): Promise<Reply> {
  return jsonReply(200, { status: 'alive' })
}

/** Whether the service does its work; each check with why not. */
export async function ready({ sources }: RouteRequest): Promise<Reply> {
  const checks = await sources.readChecks()
  const isOk = isReady(checks)
  return jsonReply(isOk ? 200 : 503, { status: isOk ? 'ready' : 'not_ready', checks })
}

/** A summary for people and for load balancers. A draining service is healthy. */
export async function health({ sources }: RouteRequest): Promise<Reply> {
  const [checks, statistics] = await Promise.all([
    sources.readChecks(),
    sources.readStatistics().catch(() => undefined),
  ])
  const isConnected = checks.some(({ name, ok }) => name === 'database' && ok)
  const works = statistics !== undefined && isReady(checks.filter((c) => c.name !== 'draining'))
  const isBusy = works && statistics.runningJobs >= degradedFrom
  return jsonReply(works ? 200 : 503, {
    status: works ? (isBusy ? 'degraded' : 'healthy') : 'unhealthy',
    version: sources.programVersion,
    jobs_processed: statistics ? jobsProcessed(statistics) : null,
    database: isConnected ? 'connected' : 'unreachable',
    running_jobs: statistics?.runningJobs ?? null,
    total_results: statistics ? (statistics.counters.jobs_completed ?? 0) : null,
    storage_mb: statistics ? Math.round(statistics.storedBytes / 1e4) / 100 : null,
    timestamp: new Date(sources.context.clock.now()).toISOString(),
  })
}

export async function metrics({ sources }: RouteRequest): Promise<Reply> {
  if (!sources.metrics) {
    throw new HttpProblem('ROUTE_OFF', 'metrics are turned off', {
      hint: 'set ANALYSIS_METRICS_ENABLED=true for the service',
    })
  }
  const { contentType } = sources.metrics
  return { status: 200, contentType, body: await sources.metrics.render() }
}
