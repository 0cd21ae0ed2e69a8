import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { HealthCheck, HttpSources } from '../../../src/core/http/index.ts'
import type { Statistics } from '../../../src/core/metrics/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { startTestHttp } from '../../support/http-service.ts'
import { parseMetrics } from '../../support/parse-metrics.ts'

let suite: TestContext
beforeAll(async () => {
  suite = await openTestContext()
})
afterAll(() => suite.close())

/** One answer of a service with these sources, without a token. */
async function ask(path: string, sources: Partial<HttpSources> = {}, init?: RequestInit) {
  const http = await startTestHttp(suite, sources)
  try {
    const response = await fetch(`${http.url}${path}`, init)
    return { response, text: await response.text() }
  } finally {
    await http.server.stop()
  }
}

const check = (name: HealthCheck['name'], problem: string | null = null): HealthCheck => ({
  name,
  ok: problem === null,
  problem,
})

const busyWith = (runningJobs: number): Partial<HttpSources> => ({
  readStatistics: async () =>
    ({
      runningJobs,
      storedBytes: 12_345_678,
      counters: { jobs_completed: 5, jobs_failed: 2, jobs_cancelled: 1 },
    }) as unknown as Statistics,
})

describe('GET /health', () => {
  test('answers in the shape that load balancers and guides know', async () => {
    const { response, text } = await ask('/health', busyWith(3))
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(JSON.parse(text)).toEqual({
      status: 'healthy',
      version: '1.2.3',
      jobs_processed: 8,
      database: 'connected',
      running_jobs: 3,
      total_results: 5,
      storage_mb: 12.35,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    })
  })

  test.each([
    [49, 'healthy'],
    [50, 'degraded'],
  ])('with %i running jobs is %s', async (jobs, status) => {
    const { response, text } = await ask('/health', busyWith(jobs))
    expect(response.status).toBe(200)
    expect(JSON.parse(text).status).toBe(status)
  })

  test('is unhealthy while the database is away', async () => {
    const { response, text } = await ask('/health', {
      readChecks: async () => [check('database', 'DATABASE_CONNECTION_FAILED')],
      readStatistics: () => Promise.reject(new Error('away')),
    })
    expect(response.status).toBe(503)
    expect(JSON.parse(text)).toMatchObject({
      status: 'unhealthy',
      database: 'unreachable',
      running_jobs: null,
      total_results: null,
    })
  })

  test('is unhealthy when a loop stands still, healthy while it drains', async () => {
    const stalled = await ask('/health', {
      readChecks: async () => [check('database'), check('loops', 'a loop stands still')],
    })
    expect(stalled.response.status).toBe(503)
    const draining = await ask('/health', {
      readChecks: async () => [check('database'), check('draining', 'takes no new jobs')],
    })
    expect(draining.response.status).toBe(200)
  })
})

describe('GET /readyz', () => {
  test('lists each check', async () => {
    const checks = [check('database'), check('migrations')]
    const { response, text } = await ask('/readyz', { readChecks: async () => checks })
    expect(response.status).toBe(200)
    expect(JSON.parse(text)).toEqual({ status: 'ready', checks })
  })

  test('is 503 when one fails', async () => {
    const checks = [check('database'), check('draining', 'takes no new jobs')]
    const { response, text } = await ask('/readyz', { readChecks: async () => checks })
    expect(response.status).toBe(503)
    expect(JSON.parse(text)).toEqual({ status: 'not_ready', checks })
  })
})

describe('GET /livez', () => {
  test('asks nobody', async () => {
    const fails = () => Promise.reject(new Error('asked'))
    const { response } = await ask('/livez', { readChecks: fails, readStatistics: fails })
    expect(response.status).toBe(200)
  })

  test('answers HEAD without a body', async () => {
    const { response, text } = await ask('/livez', {}, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(text).toBe('')
  })
})

describe('GET /metrics', () => {
  test('has the content type that Prometheus insists on', async () => {
    const { response, text } = await ask('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(parseMetrics(text).has('analysis_jobs_total')).toBe(true)
  })

  test('says how to turn it on when it is off', async () => {
    const { response, text } = await ask('/metrics', { metrics: undefined })
    expect(response.status).toBe(404)
    expect(JSON.parse(text).error.hint).toContain('ANALYSIS_METRICS_ENABLED')
  })
})

test('what fails inside is told by its code, never by its text or stack', async () => {
  const { response, text } = await ask('/readyz', {
    readChecks: () => Promise.reject(new Error('secret at /root/key')),
  })
  expect(response.status).toBe(500)
  expect(JSON.parse(text).error.code).toBe('INTERNAL')
  expect(text).not.toMatch(/secret|\/root|\bat /)
})
