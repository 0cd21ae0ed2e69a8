import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type SandboxPool, SandboxUnavailableError } from '../../../src/core/sandbox/index.ts'
import { body, errorOf, isProcessAlive, openPool, resultOf, runScript } from './fixture.ts'

const fixturePath = path.join(import.meta.dirname, 'fixture.ts')
/** Without util-linux a busy process outlives its owner until its own limits. */
const hasSetpriv = spawnSync('/bin/sh', ['-c', 'setpriv --pdeathsig KILL true']).status === 0

let pool: SandboxPool
const open = async (options: Parameters<typeof openPool>[0] = {}): Promise<SandboxPool> => {
  pool = openPool(options)
  await pool.start()
  return pool
}
afterEach(() => pool.stop())

const pidOf = async (projectId: string): Promise<number> => {
  const sandbox = await pool.acquire(projectId)
  sandbox.release()
  return sandbox.pid
}

describe('reuse', () => {
  it('serves a project again with the same process, another one never', async () => {
    await open()
    const shop = await pidOf('shop')
    expect(await pidOf('shop')).toBe(shop)
    expect(await pidOf('bank')).not.toBe(shop)
    expect(await pidOf('shop')).toBe(shop)
  })

  it('keeps what a script breaks out of the next job of its process', async () => {
    await open({ size: 1, warm: 1 })
    const before = await pidOf('shop')
    const poison = `export default async (params, ctx) => {
      const bad = () => { throw new Error('poisoned') }
      const spoil = (object) => {
        for (const key of Reflect.ownKeys(object)) {
          try { if (typeof object[key] === 'function') object[key] = bad } catch {}
        }
      }
      const { Object, Array, Function, Promise, JSON, Reflect, Map, WeakMap, String, Error, Symbol } = globalThis
      for (const parent of [ctx, ctx.log, ctx.duckdb, ctx.metadata, ctx.datasource, console]) {
        try { spoil(parent); parent.extra = bad } catch {}
      }
      const shared = [Object, Array, Promise, JSON, Map, WeakMap, String, Error]
      for (const one of shared) { if (one.prototype) spoil(one.prototype); spoil(one) }
      Function.prototype.call = Function.prototype.apply = Function.prototype.bind = bad
      spoil(globalThis)
      return 1
    }`
    await runScript(pool, poison)
    const honest = `export default async (params, ctx) => {
      ctx.log.info('still', { here: true })
      const kept = await ctx.metadata.get('key')
      return { kept, list: [1, 2].map((n) => n + 1), extra: typeof ctx.extra,
        text: JSON.stringify({ a: [new Map([[1, 2]]).size] }), when: new Date(0) }
    }`
    for (let run = 0; run < 2; run += 1) {
      const ran = await runScript(pool, honest, { call: async () => '"value"' })
      expect(resultOf(ran)).toEqual({
        kept: 'value',
        list: [2, 3],
        extra: 'undefined',
        text: '{"a":[1]}',
        when: '1970-01-01T00:00:00.000Z',
      })
      expect(ran.log.map(({ message }) => message)).toEqual(['still {"here":true}'])
    }
    expect(await pidOf('shop')).toBe(before)
  })

  it('gives each job a fresh isolate', async () => {
    await open()
    await runScript(pool, body('globalThis.left = 1; Array.prototype.left = 1'))
    const ran = await runScript(pool, body('return [typeof left, [].left === undefined]'))
    expect(resultOf(ran)).toEqual(['undefined', true])
  })

  it.each([
    ['an error of the script', 'throw new Error("x")', true],
    ['a result that is no JSON', 'return () => 1', true],
    ['a timeout', 'for (;;);', false],
    ['a result that is too large', 'return "x".repeat(2e7)', false],
    ['a memory limit', 'const a = []; for (;;) a.push(new Float64Array(1e6))', false],
  ])('after %s', async (_name, text, isKept) => {
    await open()
    const before = await pidOf('shop')
    await runScript(pool, body(text), { limits: { runningMs: 500 } })
    expect((await pidOf('shop')) === before).toBe(isKept)
    expect(isProcessAlive(before)).toBe(isKept)
  })

  it('replaces a process that has grown', async () => {
    await open()
    const before = await pidOf('shop')
    // The stripper's memory is WebAssembly's: it grows with the source and never shrinks.
    const source = `${'const a: number = 1;\n'.repeat(200_000)}export default () => 1`
    await runScript(pool, source, { language: 'typescript', limits: { memoryBytes: 2 ** 30 } })
    expect(await pidOf('shop')).not.toBe(before)
  })

  it('counts no CPU time against a job that others before it have used', async () => {
    await open()
    const spin = (ms: number) => body(`for (const end = Date.now() + ${ms}; Date.now() < end;);`)
    await runScript(pool, spin(500))
    const before = await pidOf('shop')
    resultOf(await runScript(pool, spin(100), { limits: { cpuMs: 300, runningMs: 300 } }))
    expect(await pidOf('shop')).toBe(before)
  })

  it('replaces a process that has used its CPU time', async () => {
    await open({ maxCpuMs: 1 })
    const before = await pidOf('shop')
    await runScript(pool, body('for (const end = Date.now() + 200; Date.now() < end;);'))
    expect(await pidOf('shop')).not.toBe(before)
  })

  it('replaces one that has used it in jobs of a moment', async () => {
    await open({ maxCpuMs: 1 })
    const pids = new Set<number>()
    for (let jobs = 0; jobs < 30; jobs += 1) pids.add(await pidOf('shop'))
    expect(pids.size).toBe(2)
  })

  it('keeps no more than its size, and ends what was idle longest', async () => {
    await open({ size: 2, warm: 0 })
    const first = await pidOf('a')
    const second = await pidOf('b')
    await pidOf('c')
    await expect.poll(() => isProcessAlive(first)).toBe(false)
    expect(await pidOf('b')).toBe(second)
    await expect.poll(() => pool.stats()).toMatchObject({ idle: 2, busy: 0 })
  })

  it('keeps more for a while, for projects that take turns', async () => {
    await open({ size: 1, keep: 3, warm: 0 })
    const first = await pidOf('a')
    for (const project of ['b', 'c']) await pidOf(project)
    expect(await pidOf('a')).toBe(first)
    expect(pool.stats()).toMatchObject({ idle: 3, busy: 0 })
    await pidOf('d')
    await expect.poll(() => pool.stats()).toMatchObject({ idle: 3, busy: 0 })
    expect(isProcessAlive(first)).toBe(true)
  })

  it('ends the second one of a project before the only one of another', async () => {
    await open({ size: 1, keep: 3, warm: 0 })
    const only = await pidOf('a')
    const twice = [await pool.acquire('b'), await pool.acquire('b')]
    for (const sandbox of twice) sandbox.release()
    await pidOf('c')
    const alive = (): boolean[] => twice.map(({ pid }) => isProcessAlive(pid))
    await expect.poll(alive).toEqual([false, true])
    expect(isProcessAlive(only)).toBe(true)
  })

  it('starts one more for a job that waits for another', async () => {
    await open({ size: 1 })
    const ran = await runScript(pool, body('return await ctx.runAnalysis("child")'), {
      call: async () => {
        const child = await runScript(pool, body('return 2'))
        return JSON.stringify(resultOf(child))
      },
    })
    expect(resultOf(ran)).toBe(2)
  })
})

describe('spares', () => {
  it('are ready before the first job', async () => {
    await open({ size: 4, warm: 2 })
    expect(pool.stats()).toMatchObject({ fresh: 2, started: 2, busy: 0 })
  })

  it('are replaced when taken', async () => {
    await open({ size: 4, warm: 1 })
    const sandbox = await pool.acquire('shop')
    await expect.poll(() => pool.stats().fresh).toBe(1)
    expect(pool.stats()).toMatchObject({ busy: 1, fresh: 1 })
    sandbox.release()
  })

  it('stand beyond its size for the next project, if it is to last', async () => {
    await open({ size: 1, spare: 1 })
    const sandbox = await pool.acquire('shop')
    sandbox.release()
    await expect.poll(() => pool.stats()).toMatchObject({ idle: 1, fresh: 1, started: 2 })
  })

  it('do not for a command, which has one job', async () => {
    const ofCommand = openPool({ size: 1, warm: 1 })
    await open({ size: 1, spare: 1 })
    try {
      // A spare that nobody wanted would be there before one that is started later.
      for (const each of [ofCommand, pool]) (await each.acquire('shop')).release()
      await expect.poll(() => pool.stats().started).toBe(2)
      expect(ofCommand.stats()).toMatchObject({ idle: 1, fresh: 0, started: 1 })
    } finally {
      await ofCommand.stop()
    }
  })

  it('are not started twice while one is on its way', async () => {
    pool = openPool({ size: 1, warm: 1 })
    const starting = pool.start()
    const sandbox = await pool.acquire('shop')
    await starting
    expect(pool.stats().started).toBe(1)
    sandbox.release()
  })
})

describe('ends', () => {
  it('tells a killed process from an error of the script, and recovers', async () => {
    await open()
    const ran = await runScript(pool, body('await new Promise(() => {})'), {
      onStarted: (sandbox) => process.kill(sandbox.pid, 'SIGKILL'),
    })
    expect(errorOf(ran)).toMatchObject({
      code: 'sandbox_crashed',
      message: 'the sandbox process broke: signal SIGKILL',
    })
    expect(resultOf(await runScript(pool, body('return 1')))).toBe(1)
  })

  it('does not hand out an idle process that was killed', async () => {
    await open()
    const pid = await pidOf('shop')
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => isProcessAlive(pid)).toBe(false)
    expect(resultOf(await runScript(pool, body('return 1')))).toBe(1)
  })

  it('ends running jobs when it stops, and starts nothing more', async () => {
    await open()
    let pid = 0
    const running = runScript(pool, body('for (;;);'), {
      onStarted: (sandbox) => (pid = sandbox.pid),
    })
    await expect.poll(() => pid).not.toBe(0)
    await pool.stop()
    // Behind walls the process ends a moment after the one that put them up.
    await expect.poll(() => isProcessAlive(pid)).toBe(false)
    expect(errorOf(await running).code).toBe('sandbox_crashed')
    await expect(pool.acquire('shop')).rejects.toThrow(SandboxUnavailableError)
  })

  it.runIf(hasSetpriv)('ends with its owner, even in a loop that never yields', async () => {
    await open()
    const owner = spawn(
      process.execPath,
      [
        '--input-type=module-typescript',
        '--disable-warning=ExperimentalWarning',
        '--eval',
        `import { body, openPool, runScript } from ${JSON.stringify(fixturePath)}
        await runScript(openPool(), body('ctx.log("on"); [].indexOf.call({ length: 2 ** 50 }, 1)'), {
          onStarted: (sandbox) => process.stdout.write(sandbox.pid + ' '),
          onLog: () => process.stdout.write('busy'),
        })`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let said = ''
    owner.stdout.on('data', (text: Buffer) => (said += text.toString()))
    await expect.poll(() => said).toContain('busy')
    const pid = Number.parseInt(said, 10)
    expect(isProcessAlive(pid)).toBe(true)
    owner.kill('SIGKILL')
    await expect.poll(() => isProcessAlive(pid)).toBe(false)
  })

  it('leaves no process behind after 300 jobs', async () => {
    await open()
    const pids = new Set<number>()
    for (let i = 0; i < 300; i += 1) {
      const text = i % 50 === 7 ? 'throw new Error("x")' : 'return ctx.job.id'
      await runScript(pool, body(text), {
        projectId: `project-${Math.floor(i / 40) % 3}`,
        onStarted: (sandbox) => pids.add(sandbox.pid),
      })
      expect(pool.stats().busy + pool.stats().idle + pool.stats().fresh).toBeLessThanOrEqual(4)
    }
    await pool.stop()
    await expect.poll(() => [...pids].filter(isProcessAlive)).toEqual([])
    expect(pool.stats()).toMatchObject({ busy: 0, idle: 0, fresh: 0 })
  })
})

describe('starts', () => {
  it('says why a process does not start', async () => {
    pool = openPool({ entryPath: '/nowhere/sandbox.js' })
    await expect(pool.start()).rejects.toThrow(/a sandbox does not start: .*nowhere/)
    pool = openPool({ nodePath: '/nowhere/node' })
    await expect(pool.start()).rejects.toThrow(SandboxUnavailableError)
  })

  it('gives up on an acquire whose signal is aborted', async () => {
    await open({ warm: 0 })
    await expect(pool.acquire('shop', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
  })

  it.runIf(process.platform === 'linux')('has nothing of ours, and lowered limits', async () => {
    await open()
    const { pid } = await pool.acquire('shop')
    // A shell sets some of its own.
    const names = readFileSync(`/proc/${pid}/environ`, 'latin1').match(/[^\0=]+(?==)/g) ?? []
    expect(names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_', 'TZ'].includes(name))).toEqual(
      [],
    )
    const limits = readFileSync(`/proc/${pid}/limits`, 'utf8')
    expect(limits).toMatch(/Max core file size\s+0 /)
    expect(limits).toMatch(/Max file size\s+0 /)
    expect(limits).toMatch(/Max open files\s+64 /)
    expect(limits).toMatch(/Max data size\s+\d+ /)
    expect(limits).toMatch(/Max cpu time\s+\d+\s+\d+/)
  })

  it.runIf(process.getuid?.() === 0)('gives each process an account of its own', async () => {
    await open()
    const sandboxes = [await pool.acquire('a'), await pool.acquire('b')]
    const { kind, reason } = pool.stats().walls.account
    const uids = sandboxes.map(
      ({ pid }) => /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
    )
    if (kind === 'own') expect(new Set([...uids, '0']).size).toBe(3)
    else expect(reason).toMatch(/another account cannot start it/)
  })

  it.runIf(process.getuid?.() === 0)(
    'runs as it is where no other account can read it',
    async () => {
      const folder = mkdtempSync(path.join(tmpdir(), 'kiln-sandbox-'))
      try {
        const entry = path.join(folder, 'ready.mjs')
        writeFileSync(
          entry,
          `import { writeSync, readSync } from 'node:fs'
         writeSync(4, Buffer.from([5, 0, 0, 0, 16, 0, 0, 0, 0]))
         readSync(3, Buffer.alloc(1))`,
        )
        await open({ entryPath: entry, confiners: [] })
        expect(pool.stats().walls.account.kind).toBe('shared')
        expect(pool.stats().walls.account.reason).toContain('another account cannot start it')
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )
})
