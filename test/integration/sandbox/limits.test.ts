import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { body, errorOf, isProcessAlive, openPool, resultOf, runScript } from './fixture.ts'

const pool = openPool()
beforeAll(() => pool.start())
afterAll(() => pool.stop())

const mebibyte = 1024 ** 2

describe('time', () => {
  it.each([
    ['an endless loop', 'for (;;);', 2],
    ['a loop after a host call', 'await ctx.duckdb.tables()\nfor (;;);', 3],
    ['a loop in a getter of the result', 'return {\nget x() { for (;;); } }', 3],
    [
      'a loop in a microtask',
      'await null\nconst spin = () => Promise.resolve().then(spin)\nawait spin()',
      null,
    ],
    ['a regular expression', '/(a+)+$/.test("a".repeat(50) + "b")', 2],
    ['a thenable', 'return {\nthen() { for (;;); } }', 3],
    ['a loop that swallows errors', 'for (;;) try { for (;;); } catch {} finally { for (;;); }', 2],
  ])('ends %s', async (_name, text, line) => {
    const ran = await runScript(pool, body(text), { limits: { runningMs: 200 } })
    const error = errorOf(ran)
    expect(error.code).toBe('timeout')
    expect(error.message).toBe('execution timeout: the script ran longer than 200 ms')
    if (line !== null) expect(error.line).toBe(line)
  })

  it.each([
    [
      'a promise that nothing settles',
      'await new Promise(() => {})',
      'a promise that nothing has settled',
    ],
    ['a sleep', 'await ctx.sleep(1e15)', 'ctx.sleep'],
    ['a host call', 'await ctx.duckdb.tables()', 'ctx.duckdb.tables'],
  ])('ends the wait for %s', async (_name, text, what) => {
    const ran = await runScript(pool, body(text), {
      limits: { timeoutMs: 200 },
      call: () => new Promise(() => undefined),
    })
    expect(errorOf(ran)).toMatchObject({
      code: 'timeout',
      message: `execution timeout: the job took longer than 200 ms, waiting for ${what}`,
    })
  })

  it('does not count waits as running time', async () => {
    const ran = await runScript(pool, body('await ctx.sleep(1500)\nreturn 1'), {
      limits: { runningMs: 1000 },
    })
    expect(resultOf(ran)).toBe(1)
  })

  it('adds the running time of all steps', async () => {
    const ran = await runScript(
      pool,
      body(
        'for (;;) { const end = Date.now() + 20; while (Date.now() < end); await ctx.sleep(1) }',
      ),
      { limits: { runningMs: 200 } },
    )
    expect(errorOf(ran).message).toBe('execution timeout: the script ran longer than 200 ms')
  })

  it.each([
    ['wall time', { timeoutMs: 300 }],
    ['running time', { runningMs: 300 }],
  ])('kills a builtin that cannot be interrupted, by %s', async (_name, limits) => {
    const ran = await runScript(pool, body('[].indexOf.call({ length: 2 ** 50 }, 1)'), { limits })
    expect(errorOf(ran)).toMatchObject({ code: 'timeout' })
    expect(errorOf(ran).message).toMatch(/^execution timeout: .* could not be interrupted$/)
  })

  it('tells a script in time that its time ends', async () => {
    const ran = await runScript(
      pool,
      body('while (!ctx.shouldStop()) await ctx.sleep(5)\nreturn "saved"'),
      { limits: { timeoutMs: 1000 } },
    )
    expect(resultOf(ran)).toBe('saved')
  })

  it('kills by CPU time', async () => {
    const ran = await runScript(pool, body('for (;;);'), { limits: { cpuMs: 200 } })
    expect(errorOf(ran)).toMatchObject({ code: 'cpu_limit' })
    expect(errorOf(ran).message).toContain('CPU limit of 200 ms')
  })
})

describe('memory', () => {
  it.each([
    ['arrays', 'const a = []; for (;;) a.push(new Array(1000).fill(1.5))'],
    ['objects', 'const a = []; for (let i = 0; ; i++) a.push({ i, s: "x" + i })'],
    ['strings', 'const a = []; for (;;) a.push(("y" + Math.random()).repeat(1e5))'],
    ['typed arrays', 'const a = []; for (;;) a.push(new Float64Array(1e6).fill(1))'],
    ['buffers', 'const a = []; for (;;) a.push(new ArrayBuffer(2 ** 27))'],
    ['a Map', 'const m = new Map(); for (let i = 0; ; i++) m.set(i, i)'],
    [
      'closures',
      'const a = []; for (;;) { const big = new Array(100).fill(a); a.push(() => big) }',
    ],
    ['promises', 'const a = []; for (;;) a.push(new Promise(() => {}))'],
    ['Intl', 'const a = []; for (;;) a.push(new Intl.DateTimeFormat("en"))'],
    // V8 ends the process at once rather than allocate so many elements.
    ['characters', 'return "ab".repeat(1e8).split("").length'],
    ['queued calls', 'for (;;) ctx.duckdb.query("x".repeat(1e6))'],
  ])('ends a bomb of %s', async (_name, text) => {
    const ran = await runScript(pool, body(text), { call: () => new Promise(() => undefined) })
    expect(errorOf(ran).code).toBe('memory_limit')
    expect(errorOf(ran).message).toContain('memory limit of 64.0 MB')
    expect(ran.outcome.usage.peakMemoryBytes).toBeLessThan(1024 * mebibyte)
  })

  it.each([
    ['a text', 'let s = "x"; for (;;) s += s', 'Invalid string length'],
    ['a joined text', 'return new Array(2 ** 29).join("x")', 'Invalid string length'],
    ['an integer', 'return 1n << 2n ** 30n', 'Maximum BigInt size exceeded'],
  ])('is at its limit with %s larger than the engine holds', async (_name, text, reason) => {
    const ran = await runScript(pool, body(text))
    expect(errorOf(ran)).toMatchObject({
      code: 'memory_limit',
      message: `the script went over a memory limit of the engine: ${reason}`,
      line: 2,
    })
  })

  it('lets a script use what it may', async () => {
    const text =
      'const a = new Array(4e6).fill(0); await ctx.duckdb.query("select"); return a.length'
    // While the script holds it, its memory is looked at: that timer comes before this one.
    const ran = await runScript(pool, body(text), { call: () => delay(100, '[]') })
    expect(resultOf(ran)).toBe(4e6)
    expect(ran.outcome.usage.peakMemoryBytes).toBeGreaterThan(60 * mebibyte)
  })

  it('turns endless recursion into an ordinary error', async () => {
    const ran = await runScript(pool, body('const f = () => f() + 1\nf()'))
    expect(errorOf(ran)).toMatchObject({ code: 'script_error', name: 'RangeError', line: 2 })
  })
})

describe('cancel', () => {
  it.each([
    ['a busy loop', 'ctx.log("on")\nfor (;;);'],
    ['a builtin', 'ctx.log("on");[].indexOf.call({ length: 2 ** 50 }, 1)'],
    ['a wait', 'ctx.log("on")\nawait new Promise(() => {})'],
  ])('kills %s', async (_name, text) => {
    const abort = new AbortController()
    let pid = 0
    const ran = await runScript(pool, body(text), {
      signal: abort.signal,
      onStarted: (sandbox) => (pid = sandbox.pid),
      onLog: () => abort.abort(),
    })
    expect(ran.outcome.status).toBe('aborted')
    // Behind walls the process ends a moment after the one that put them up.
    await expect.poll(() => isProcessAlive(pid)).toBe(false)
  })

  it('runs nothing when it comes first', async () => {
    const ran = await runScript(pool, body('ctx.log("ran")'), { signal: AbortSignal.abort() })
    expect(ran.outcome.status).toBe('aborted')
    expect(ran.log).toEqual([])
  })
})
