/** The HTTP side of the service over a test database, on a free port. */
import { HttpServer, type HttpSources } from '../../src/core/http/index.ts'
import { createMetrics } from '../../src/core/metrics/create-metrics.ts'
import { readStatistics } from '../../src/core/metrics/index.ts'
import type { TestContext } from './core-context.ts'

export const testToken = 'a-token-for-tests-0001'

export interface TestHttp {
  readonly url: string
  readonly server: HttpServer
  /** A request with the token; a body is sent as JSON. */
  call(path: string, body?: unknown, init?: TestRequest): Promise<Response>
}

interface TestRequest extends Omit<RequestInit, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>
}

export async function startTestHttp(
  { context }: Pick<TestContext, 'context'>,
  overrides: Partial<HttpSources> = {},
): Promise<TestHttp> {
  const read = () => readStatistics(context.database.queries)
  const server = new HttpServer({
    host: '127.0.0.1',
    port: 0,
    sources: {
      context,
      programVersion: '1.2.3',
      token: () => testToken,
      readChecks: async () => [{ name: 'database', ok: true, problem: null }],
      readStatistics: read,
      metrics: createMetrics({
        readStatistics: read,
        pool: () => ({ used: 1, idle: 2, waiting: 0 }),
        slots: () => ({ used: 1, free: 3 }),
      }),
      ...overrides,
    },
  })
  const url = await server.start()
  return {
    url,
    server,
    call: (path, body, init = {}) =>
      fetch(`${url}${path}`, {
        ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
        ...init,
        headers: {
          authorization: `Bearer ${testToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...init.headers,
        },
      }),
  }
}
