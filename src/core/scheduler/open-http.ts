import type { HttpServer, HttpSources } from '../http/index.ts'
import type { MetricsSources } from '../metrics/index.ts'

export interface HttpParts
  extends Omit<HttpSources, 'metrics'>, Pick<MetricsSources, 'slots' | 'readStatistics'> {}

/** Only these stay on the machine. */
const loopback = /^(127\.|localhost$|::1$)/

/**
 * Starts to listen and says where. HTTP and Prometheus' client are loaded only when asked for.
 *
 * @throws KilnError PORT_IN_USE, PERMISSION_DENIED, SETTING_INVALID.
 */
export async function openHttp(
  { host, port }: { readonly host: string; readonly port: number },
  { slots, ...sources }: HttpParts,
): Promise<HttpServer> {
  const { context, readStatistics, token } = sources
  const [{ HttpServer }, { createMetrics }] = await Promise.all([
    import('../http/index.ts'),
    import('../metrics/create-metrics.ts'),
  ])
  const { pool } = context.database
  const metrics = context.settings.metricsEnabled
    ? createMetrics({
        readStatistics,
        slots,
        pool: () => ({
          used: pool.totalCount - pool.idleCount,
          idle: pool.idleCount,
          waiting: pool.waitingCount,
        }),
      })
    : undefined
  const server = new HttpServer({ host, port, sources: { ...sources, metrics } })
  const url = await server.start()
  context.log.info({ url, jobRoutes: token() !== undefined }, `HTTP listens on ${url}`)
  if (token() !== undefined && !loopback.test(host)) {
    context.log.warn({ host }, 'the API token travels in clear: put a TLS proxy in front')
  }
  return server
}
