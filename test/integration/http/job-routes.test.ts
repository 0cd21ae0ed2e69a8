import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { definitionFormat } from '../../../src/core/analyses/definition.ts'
import { bodyLimitBytes } from '../../../src/core/http/read-json-body.ts'
import { getJob } from '../../../src/core/jobs/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { type TestHttp, startTestHttp } from '../../support/http-service.ts'

let suite: TestContext
let http: TestHttp
beforeAll(async () => {
  suite = await openTestContext()
  http = await startTestHttp(suite)
  await query(`
    insert into analyses (title, script_content, project_id)
    values ('sums', 'export default () => 1', 'p'), ('twice', 'export default () => 1', 'p'),
      ('twice', 'export default () => 1', 'q'), ('off', 'export default () => 1', 'p')`)
  const definition = {
    format: definitionFormat,
    form: 'object',
    language: 'javascript',
    parameters: [{ name: 'top', type: 'integer', isRequired: true, dependsOn: [] }],
    dependencies: { datasources: [], analyses: [] },
    limits: {},
    database: 'scratch',
  }
  await query(
    `update analysis_versions set definition = $1
     where analysis_id = (select id from analyses where name = 'off')`,
    [JSON.stringify(definition)],
  )
  await query("update analyses set is_active = false where name = 'off'")
})
afterAll(async () => {
  await http.server.stop()
  await suite.close()
})

const query = (text: string, values: unknown[] = []) =>
  suite.context.database.pool.query(text, values)

const answerOf = async (response: Response) => {
  const body = (await response.json()) as { id: string; error: { code: string } }
  return { status: response.status, id: body.id, error: body.error }
}

describe('POST /jobs', () => {
  test('queues a job with all that was asked for', async () => {
    const runAt = '2099-01-02T03:04:05+01:00'
    const response = await http.call('/jobs', {
      analysis: 'sums',
      project: 'p',
      version: 1,
      parameters: { top: 3 },
      priority: -7,
      run_at: runAt,
    })
    expect(response.status).toBe(201)
    const body = (await response.json()) as { id: string; status: string }
    expect(body).toEqual({ id: expect.any(String), status: 'pending' })
    expect(response.headers.get('location')).toBe(`/jobs/${body.id}`)
    expect(await getJob(suite.context, body.id)).toMatchObject({
      analysisName: 'sums',
      parameters: { top: 3 },
      priority: -7,
      versionNumber: 1,
      triggeredBy: 'http',
      runAt: '2099-01-02T02:04:05Z',
    })
  })

  test('queues one job per idempotency key, and says how it stands', async () => {
    const wanted = { analysis: 'sums', idempotency_key: 'order 4711' }
    const answers = await Promise.all(
      [1, 2, 3, 4].map(async () => {
        const response = await http.call('/jobs', wanted)
        return { status: response.status, body: (await response.json()) as { id: string } }
      }),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3)
    const ids = new Set(answers.map(({ body }) => body.id))
    expect(ids.size).toBe(1)
    await query("update analysis_jobs set status = 'cancelled' where id = $1", [...ids])
    const later = await http.call('/jobs', wanted)
    expect(later.status).toBe(200)
    expect(await later.json()).toEqual({ id: [...ids][0], status: 'cancelled' })
  })

  test('refuses a key that came with other parameters, and says whose it is', async () => {
    const wanted = { analysis: 'sums', idempotency_key: 'once', parameters: { top: 1, by: 'day' } }
    const first = await answerOf(await http.call('/jobs', wanted))
    const other = await answerOf(await http.call('/jobs', { ...wanted, parameters: { top: 2 } }))
    expect(other).toMatchObject({ status: 409, error: { code: 'IDEMPOTENCY_KEY_USED' } })
    expect(JSON.stringify(other.error)).toContain(first.id)
    const reordered = { ...wanted, parameters: { by: 'day', top: 1.0 }, priority: 5 }
    expect(await answerOf(await http.call('/jobs', reordered))).toMatchObject({
      status: 200,
      id: first.id,
    })
    await query('delete from analysis_jobs where id = $1', [first.id])
    const again = await answerOf(await http.call('/jobs', { ...wanted, parameters: {} }))
    expect(again.status).toBe(201)
  })

  test.each([
    [{ analysis: 'nobody' }, 404, 'ANALYSIS_NOT_FOUND'],
    [{ analysis: 'sums', version: 9 }, 404, 'VERSION_NOT_FOUND'],
    [{ analysis: 'twice' }, 409, 'ANALYSIS_AMBIGUOUS'],
    [{ analysis: 'off', parameters: { top: 1 } }, 422, 'ANALYSIS_INACTIVE'],
    [{}, 400, 'BODY_INVALID'],
    [{ analysis: '' }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums\u0000' }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', version: 1.5 }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', version: 1e12 }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', parameters: [] }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', run_at: 'tomorrow' }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', run_at: '0000-01-01T00:00:00Z' }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', run_at: '9999-12-31T23:59:59Z' }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', priority: 3_000_000_000 }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', idempotency_key: 'x'.repeat(256) }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', idempotency_key: '\ud800' }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', parameters: [] }, 400, 'BODY_INVALID'],
    [{ analysis: 'sums', prioritty: 1 }, 400, 'BODY_INVALID'],
    [[], 400, 'BODY_INVALID'],
    ['sums', 400, 'BODY_INVALID'],
  ])('%j is refused with %i', async (body, status, code) => {
    expect(await answerOf(await http.call('/jobs', body))).toMatchObject({
      status,
      error: { code },
    })
  })

  test('checks parameters before a job exists', async () => {
    await query("update analyses set is_active = true where name = 'off'")
    const before = await query('select count(*) from analysis_jobs')
    const answer = await answerOf(await http.call('/jobs', { analysis: 'off' }))
    expect(answer).toMatchObject({ status: 422, error: { code: 'PARAMETER_INVALID' } })
    expect((await query('select count(*) from analysis_jobs')).rows).toEqual(before.rows)
    await query("update analyses set is_active = false where name = 'off'")
  })

  test('refuses parameters that are nested thousands of levels deep', async () => {
    const deep = '['.repeat(5000) + ']'.repeat(5000)
    const response = await http.call('/jobs', undefined, {
      method: 'POST',
      body: `{"analysis": "sums", "parameters": {"top": ${deep}}}`,
      headers: { 'content-type': 'application/json' },
    })
    expect(await answerOf(response)).toMatchObject({
      status: 422,
      error: { code: 'PARAMETER_INVALID' },
    })
  })

  test.each([
    ['text/plain', '{"analysis":"sums"}', 415, 'CONTENT_TYPE_UNSUPPORTED'],
    ['application/json; charset=latin1', '{}', 415, 'CONTENT_TYPE_UNSUPPORTED'],
    ['application/json', '{"analysis":', 400, 'BODY_INVALID'],
    ['application/json', '', 400, 'BODY_INVALID'],
    ['application/json', Buffer.from([0x22, 0xff, 0x22]), 400, 'BODY_INVALID'],
    ['application/json', 'null', 400, 'BODY_INVALID'],
  ])('%s %j is refused with %i', async (type, body, status, code) => {
    const response = await http.call('/jobs', undefined, {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
      headers: { 'content-type': type },
    })
    expect(await answerOf(response)).toMatchObject({ status, error: { code } })
  })

  test('refuses a compressed body', async () => {
    const response = await http.call(
      '/jobs',
      { analysis: 'sums' },
      {
        headers: { 'content-encoding': 'gzip' },
      },
    )
    expect(response.status).toBe(415)
  })

  test('takes a body up to the limit and no larger', async () => {
    const body = (size: number) => {
      const frame = JSON.stringify({ analysis: 'sums', parameters: { text: '' } })
      return { analysis: 'sums', parameters: { text: 'x'.repeat(size - frame.length) } }
    }
    expect((await http.call('/jobs', body(bodyLimitBytes))).status).toBe(201)
    const tooLarge = await answerOf(await http.call('/jobs', body(bodyLimitBytes + 1)))
    expect(tooLarge).toMatchObject({ status: 413, error: { code: 'BODY_TOO_LARGE' } })
  })
})

describe('GET /jobs/:id', () => {
  test('shows the job without its result', async () => {
    const { id } = await answerOf(await http.call('/jobs', { analysis: 'sums' }))
    const response = await http.call(`/jobs/${id}`)
    expect(response.status).toBe(200)
    const job = (await response.json()) as Record<string, unknown>
    expect(job).toMatchObject({ id, status: 'pending', analysis_name: 'sums', attempt: 0 })
    expect(job).not.toHaveProperty('result')
  })

  test.each([
    [randomUUID(), 404, 'JOB_NOT_FOUND'],
    ['4711', 400, 'USAGE'],
    ['%27;drop', 400, 'USAGE'],
    ['a/b', 404, 'ROUTE_NOT_FOUND'],
  ])('%s is %i', async (id, status, code) => {
    expect(await answerOf(await http.call(`/jobs/${id}`))).toMatchObject({
      status,
      error: { code },
    })
  })
})

describe('GET /jobs/:id/result', () => {
  async function jobWith(columns: string): Promise<string> {
    const { rows } = await query(`
      insert into analysis_jobs (analysis_id, status, completed_at, result, error_message)
      select id, ${columns} from analyses where name = 'sums' returning id`)
    return (rows[0] as { id: string }).id
  }

  test('is the JSON that the script returned', async () => {
    const id = await jobWith(`'completed', now(), '{"a": [1, null, "ü"]}', null`)
    const response = await http.call(`/jobs/${id}/result`)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ a: [1, null, 'ü'] })
  })

  test.each([
    [`'pending', null, null, null`, 409, 'JOB_NOT_FINISHED'],
    [`'running', null, null, null`, 409, 'JOB_NOT_FINISHED'],
    [`'failed', now(), null, 'it broke'`, 409, 'JOB_FAILED'],
    [`'cancelled', now(), null, null`, 409, 'JOB_CANCELLED'],
  ])('a job that is %s has none: %i %s', async (columns, status, code) => {
    const id = await jobWith(columns)
    expect(await answerOf(await http.call(`/jobs/${id}/result`))).toMatchObject({
      status,
      error: { code },
    })
  })

  test('of a job that nobody knows is 404', async () => {
    expect((await http.call(`/jobs/${randomUUID()}/result`)).status).toBe(404)
  })
})

describe('the token', () => {
  test.each(['/jobs', `/jobs/${randomUUID()}`, `/jobs/${randomUUID()}/result`])(
    '%s is 401 without it and 404 when none is configured',
    async (path) => {
      const refused = await fetch(`${http.url}${path}`)
      expect(refused.status).toBe(401)
      expect(refused.headers.get('www-authenticate')).toBe('Bearer')
      const off = await startTestHttp(suite, { token: () => undefined })
      const answer = await answerOf(await off.call(path))
      expect(answer).toMatchObject({ status: 404, error: { code: 'ROUTE_OFF' } })
      await off.server.stop()
    },
  )
})

test.each([
  ['GET', '/jobs', 'POST'],
  ['DELETE', `/jobs/${randomUUID()}`, 'GET'],
  ['POST', '/health', 'GET'],
  ['PATCH', '/metrics', 'GET'],
])('%s %s is not allowed', async (method, path, allowed) => {
  const response = await http.call(path, undefined, { method })
  expect(response.status).toBe(405)
  expect(response.headers.get('allow')).toBe(allowed)
})

test.each(['/', '/job', '/jobs/', '/healthz', '/../health', '/HEALTH', '/constructor'])(
  '%s is nothing',
  async (path) => {
    expect((await http.call(path)).status).toBe(path === '/../health' ? 200 : 404)
  },
)
