import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SandboxPool } from '../../../src/core/sandbox/index.ts'
import { encodeFrame, frameKinds } from '../../../src/core/sandbox/frames.ts'
import { errorOf, isProcessAlive, openPool, runScript } from '../../integration/sandbox/fixture.ts'

let folder: string
let pool: SandboxPool

/**
 * A process in place of the sandbox, as if a script had taken it over: it runs the source of the job
 * where the sandbox would have none of it.
 */
const fake = `import { readSync, writeSync } from 'node:fs'
  const frame = (kind, id, text, length) => {
    const bytes = Buffer.from(text)
    const head = Buffer.alloc(9)
    head.writeUInt32LE(length ?? bytes.length + 5, 0)
    head.writeUInt8(kind, 4)
    head.writeUInt32LE(id, 5)
    return Buffer.concat([head, bytes])
  }
  const send = (bytes) => { for (let at = 0; at < bytes.length; ) at += writeSync(4, bytes, at) }
  const k = ${JSON.stringify(frameKinds)}
  send(frame(k.ready, 0, ''))
  const request = Buffer.alloc(1 << 20)
  for (;;) {
    if (readSync(3, request) === 0) break
    const id = request.readUInt32LE(5)
    const { script } = JSON.parse(request.toString('utf8', 9, 4 + request.readUInt32LE(0)))
    new Function('k', 'id', 'frame', 'send', 'writeSync', script.source)(k, id, frame, send, writeSync)
  }`

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'kiln-sandbox-'))
  const entryPath = path.join(folder, 'fake.mjs')
  writeFileSync(entryPath, fake)
  pool = openPool({ entryPath, size: 1 })
  await pool.start()
})
afterAll(async () => {
  await pool.stop()
  rmSync(folder, { recursive: true })
})

describe('a process that was taken over', () => {
  it.each([
    ['bytes that are no frames', `send(Buffer.alloc(1000, 0xff))`],
    ['a frame of length 0', `send(Buffer.alloc(9))`],
    ['a frame beyond 64 MB', `send(frame(17, 1, '', 65 * 1024 ** 2))`],
    ['an unknown kind', `send(frame(99, id, ''))`],
    ['a request', `send(frame(1, id, '{}'))`],
    ['a second ready', `send(frame(k.ready, id, ''))`],
    ['the end of another job', `send(frame(k.done, id + 1, '1'))`],
    [
      'an inspection in place of a result',
      `send(frame(k.inspected, id, '{"form":"object","language":"javascript","declared":{}}'))`,
    ],
    ['a result that is no JSON', `send(frame(k.done, id, '{'))`],
    [
      'a result beyond the limit',
      `send(frame(k.done, id, JSON.stringify('x'.repeat(11 * 1024 ** 2))))`,
    ],
    ['a failure that is no object', `send(frame(k.failed, id, '1'))`],
    ['a failure that is null', `send(frame(k.failed, id, 'null'))`],
    ['a failure that is no JSON', `send(frame(k.failed, id, 'x'))`],
    ['a call of an unknown operation', `send(frame(k.call, 1, 'constructor\\n{}'))`],
    ['a call without a name', `send(frame(k.call, 1, ''))`],
    [
      'the same call twice',
      `send(frame(k.call, 1, 'duckdb.tables\\n{}')); send(frame(k.call, 1, 'duckdb.tables\\n{}'))`,
    ],
    [
      'nine calls at once',
      `for (let i = 0; i < 9; i++) send(frame(k.call, i, 'duckdb.tables\\n{}'))`,
    ],
    ['a log that is no list', `send(frame(k.log, 0, '{"length":1e9}'))`],
    ['a log line of another shape', `send(frame(k.log, 0, '[[1,{}]]'))`],
    ['a log line of an unknown level', `send(frame(k.log, 0, '[["__proto__","x"]]'))`],
    ['progress that is no fraction', `send(frame(k.progress, 0, '[1e9]'))`],
    ['deep JSON', `send(frame(k.log, 0, '['.repeat(5e6)))`],
  ])('is ended when it sends %s', async (_name, frames) => {
    let pid = 0
    const ran = await runScript(pool, frames, {
      call: () => new Promise(() => undefined),
      onStarted: (sandbox) => (pid = sandbox.pid),
    })
    expect(errorOf(ran).code).toBe('sandbox_crashed')
    // Behind walls the process ends a moment after the one that put them up.
    await expect.poll(() => isProcessAlive(pid)).toBe(false)
  })

  it('has its first end count, and nothing after it', async () => {
    const ends = `[frame(k.done, id, '1'), frame(k.done, id, '2'), frame(k.failed, id, '{}')]`
    const ran = await runScript(pool, `send(Buffer.concat(${ends}))`)
    expect(ran.outcome).toMatchObject({ status: 'completed', resultText: '1' })
  })

  it('cannot choose an error code that no call has had', async () => {
    const failure = `{ code: 'datasource_error', name: 5, message: 'm\\0', line: -1, column: '1', stack: null, extra: 1 }`
    const ran = await runScript(pool, `send(frame(k.failed, id, JSON.stringify(${failure})))`)
    expect(errorOf(ran)).toEqual({
      code: 'script_error',
      name: '',
      message: 'm\u2400',
      line: null,
      column: null,
      stack: '',
    })
  })

  it('gets its log cut at the limits', async () => {
    const ran = await runScript(
      pool,
      `const lines = JSON.stringify(Array.from({ length: 1000 }, () => [1, 'x'.repeat(20000)]))
      for (let i = 0; i < 3; i++) send(frame(k.log, 0, lines))
      send(frame(k.done, id, '1'))`,
      { limits: { logLines: 100, logBytes: 100_000 } },
    )
    const bytes = ran.log.reduce((sum, { message }) => sum + message.length, 0)
    expect(ran.log.length).toBeLessThanOrEqual(101)
    expect(bytes).toBeLessThanOrEqual(101_024)
  })

  it('is ended when it never answers', async () => {
    const ran = await runScript(pool, '', { limits: { timeoutMs: 100 } })
    expect(errorOf(ran)).toMatchObject({ code: 'timeout' })
  })

  it('may write to its outputs for ever', async () => {
    const ran = await runScript(
      pool,
      `for (let i = 0; i < 200; i++) { writeSync(1, 'x'.repeat(65536)); writeSync(2, 'y'.repeat(65536)) }
      send(frame(k.done, id, '1'))`,
    )
    expect(ran.outcome.status).toBe('completed')
  })

  it('may send a frame byte by byte', async () => {
    const text = `for (const byte of frame(k.done, id, '"é"')) send(Buffer.from([byte]))`
    expect((await runScript(pool, text)).outcome).toMatchObject({ resultText: '"é"' })
  })
})

it('encodes the frames that the tests above imitate', () => {
  expect([...encodeFrame(frameKinds.ready, 0, '')]).toEqual([5, 0, 0, 0, 16, 0, 0, 0, 0])
})
