/** What a service and its sandboxes hold in memory after many jobs. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestContext, openTestContext } from '../support/core-context.ts'

let test: TestContext
beforeAll(async () => {
  test = await openTestContext()
})
afterAll(() => test.close())

const probe = path.resolve(import.meta.dirname, 'memory-probe.ts')

/**
 * Memory that is in use, not what the garbage collector has yet to give back. Each of the two
 * sandboxes lives for 500 jobs, so each portion sees whole lives.
 */
const portions = [1000, 8000, 1000]

it('holds no more after 10,000 jobs than after 1,000, but for a tenth', async () => {
  const child = spawn(
    process.execPath,
    ['--expose-gc', probe, test.database.connectionString, test.folder.path],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  child.stdin.end(portions.join('\n'))
  const lines = (await text(child.stdout)).trim().split('\n')
  expect(lines).toHaveLength(portions.length)
  const used = lines.map((line) => {
    const { serviceBytes, sandboxBytes } = JSON.parse(line) as Record<string, number>
    return { service: serviceBytes ?? 0, sandbox: sandboxBytes ?? 0 }
  })
  const [early, , late] = used
  if (!early || !late) throw new Error('the probe printed too little')
  expect(early.service).toBeGreaterThan(0)
  expect(early.sandbox).toBeGreaterThan(0)
  expect(late.service / early.service, JSON.stringify(used)).toBeLessThanOrEqual(1.1)
  expect(late.sandbox / early.sandbox, JSON.stringify(used)).toBeLessThanOrEqual(1.1)
})
