import type { Context } from '../context.ts'
import type { Metrics, Statistics } from '../metrics/index.ts'
import type { HealthCheck } from './health-check.ts'

/** What the routes show and work with; the service gives it. */
export interface HttpSources {
  readonly context: Context
  readonly programVersion: string
  /** Undefined turns the routes of jobs off. Read for each request, so that it can change. */
  readonly token: () => string | undefined
  readonly readChecks: () => Promise<readonly HealthCheck[]>
  /** Rejects while the database is away. */
  readonly readStatistics: () => Promise<Statistics>
  /** Undefined when metrics are turned off. */
  readonly metrics: Metrics | undefined
}
