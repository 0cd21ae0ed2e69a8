/**
 * Metrics: what an executor measures, counters that outlive processes and cleanup, gauges from SQL,
 * and the text that Prometheus reads. The only importer of prom-client is `create-metrics.ts`,
 * which is loaded by the service alone.
 */
export { cached } from './cached.ts'
export { ExecutorMeter } from './executor-meter.ts'
export { foldCounters } from './fold-counters.ts'
export type { Metrics, MetricsSources, PoolCounts } from './create-metrics.ts'
export { type Statistics, jobsProcessed, readStatistics } from './read-statistics.ts'
