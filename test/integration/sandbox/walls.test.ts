import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { confinerKinds } from '../../../src/core/confine/index.ts'
import type { SandboxPool } from '../../../src/core/sandbox/index.ts'
import { isConfinerPossible } from '../../support/confiners.ts'
import { body, errorOf, isProcessAlive, openPool, resultOf, runScript } from './fixture.ts'

let pool: SandboxPool
afterEach(() => pool.stop())

const status = (pid: number, field: string): string | undefined =>
  new RegExp(`^${field}:\\s+(\\S+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]

describe.runIf(process.platform === 'linux').each(confinerKinds)('behind %s', (kind) => {
  /** Undefined where this host has or allows none. */
  async function pidBehind(): Promise<number | undefined> {
    pool = openPool({ confiners: [kind], size: 1 })
    await pool.start()
    const { view } = pool.stats().walls
    if (view.kind === kind) return (await pool.acquire('shop')).pid
    expect(view).toMatchObject({ kind: 'none', reason: expect.any(String) as string })
    expect(isConfinerPossible(kind), view.reason ?? '').toBe(false)
    return undefined
  }

  it('a sandbox has no network, no other process and no file but its own', async ({ skip }) => {
    const pid = await pidBehind()
    if (pid === undefined) return skip()
    for (const name of ['net', 'pid', 'mnt', 'ipc', 'uts', 'user']) {
      const own = readlinkSync(`/proc/self/ns/${name}`)
      expect(readlinkSync(`/proc/${pid}/ns/${name}`), name).not.toBe(own)
    }
    const root = readdirSync(`/proc/${pid}/root`)
    expect(root.filter((name) => !['kiln', 'lib', 'lib64', 'usr'].includes(name))).toEqual([])
    expect(readdirSync(`/proc/${pid}/root/kiln`).toSorted()).toEqual([
      'main.mjs',
      'node',
      'node_modules',
    ])
    expect(Number(`0x${status(pid, 'CapEff')}`)).toBe(0)
    expect(Number(`0x${status(pid, 'CapPrm')}`)).toBe(0)
    expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max file size +0 +0 /m)
    return undefined
  })

  it('scripts run, and their limits hold', async ({ skip }) => {
    pool = openPool({ confiners: [kind], size: 1 })
    await pool.start()
    if (pool.stats().walls.view.kind !== kind) return skip()
    const zone =
      'return [6 * 7, new Date(0).getHours(), Intl.DateTimeFormat("en").resolvedOptions().timeZone]'
    expect(resultOf(await runScript(pool, body(zone)))).toEqual([42, 0, 'UTC'])
    const memory = 'const all = []; for (;;) all.push(new Array(1e6).fill(1.5))'
    expect(errorOf(await runScript(pool, body(memory))).code).toBe('memory_limit')
    const loop = await runScript(pool, body('for (;;);'), { limits: { runningMs: 200 } })
    expect(errorOf(loop)).toMatchObject({ code: 'timeout', line: 2 })
    const stuck = 'new Array(2 ** 32 - 1).indexOf(1)'
    let pid = 0
    const ran = await runScript(pool, body(stuck), {
      limits: { runningMs: 200 },
      onStarted: (sandbox) => (pid = sandbox.pid),
    })
    expect(errorOf(ran)).toMatchObject({
      code: 'timeout',
      message: 'execution timeout: the script ran longer than 200 ms and could not be interrupted',
    })
    const busy = await runScript(pool, body('for (;;);'), { limits: { cpuMs: 200 } })
    expect(errorOf(busy).code).toBe('cpu_limit')
    expect(ran.outcome.usage.peakMemoryBytes).toBeGreaterThan(20e6)
    // Behind walls the process ends a moment after the one that put them up.
    await expect.poll(() => isProcessAlive(pid)).toBe(false)
    return undefined
  })

  it('a killed one is told as such', async ({ skip }) => {
    pool = openPool({ confiners: [kind], size: 1 })
    await pool.start()
    if (pool.stats().walls.view.kind !== kind) return skip()
    const ran = await runScript(pool, body('await ctx.sleep(60_000)'), {
      onStarted: (sandbox) => process.kill(sandbox.pid, 'SIGKILL'),
    })
    expect(errorOf(ran)).toMatchObject({
      code: 'sandbox_crashed',
      message: 'the sandbox process broke: signal SIGKILL',
    })
    return undefined
  })
})

it('says why a host has no view to give', async () => {
  pool = openPool({ confiners: [], size: 1 })
  await pool.start()
  expect(pool.stats().walls.view).toMatchObject({ kind: 'none' })
  expect(pool.stats().walls.view.reason).toContain('bwrap')
  expect(resultOf(await runScript(pool, body('return 1')))).toBe(1)
})
