import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Context } from '../../../src/core/context.ts'
import { ClaimAhead } from '../../../src/core/executor/claim-ahead.ts'
import { ClaimLoop, type ClaimLoopOptions } from '../../../src/core/executor/claim-loop.ts'
import type { JobEnd } from '../../../src/core/executor/job-end.ts'
import type { LeaseHolder } from '../../../src/core/executor/lease-holder.ts'
import { WakeUp } from '../../../src/core/executor/wake-up.ts'
import { waitUntil } from '../../support/wait-until.ts'

const concurrency = 4

/** A queue of jobs, of which `quick` take a millisecond and the others until they are let go. */
function startLoop(quick: number, slow: number, release?: (stop: () => void) => Promise<never>) {
  const queue = Array.from({ length: quick + slow }, (_, index) => index)
  const claims: number[] = []
  const releases: number[] = []
  const letGo: (() => void)[] = []
  let isOpen = true
  const aborted = new Set<string>()
  const begun: string[] = []
  let passes = 0
  const wakeUp = new WakeUp()
  const holders = new WeakMap<object, number>()
  const hold = (index: number): LeaseHolder => {
    const claimedAt = performance.now()
    const holder = {
      jobId: String(index),
      abort: () => aborted.add(String(index)),
      projectId: 'default',
      priority: 0,
      get ageMs() {
        return performance.now() - claimedAt
      },
    }
    holders.set(holder, index)
    return holder as unknown as LeaseHolder
  }
  const log = { warn: () => undefined, info: () => undefined, error: () => undefined }
  const clock = {
    now: () => Date.now(),
    monotonic: () => {
      passes += 1
      return performance.now()
    },
  }
  const options: Pick<ClaimLoopOptions, 'claim' | 'run' | 'release'> = {
    claim(limit) {
      const claimed = queue.splice(0, limit)
      claims.push(limit)
      return Promise.resolve(claimed.map(hold))
    },
    async run(holder, onScriptEnd) {
      if (aborted.has(holder.jobId))
        return { status: 'lost', jobId: holder.jobId, isKnownEnded: false }
      begun.push(holder.jobId)
      const isQuick = (holders.get(holder) ?? 0) < quick
      if (!isQuick) await new Promise<void>((resolve) => letGo.push(resolve))
      onScriptEnd(isQuick ? 1 : 600_000)
      return { status: 'completed', jobId: holder.jobId, resultText: '1' } satisfies JobEnd
    },
    release(given) {
      if (release) {
        releases.push(given.length)
        return release(() => {
          isOpen = false
          for (const go of letGo) go()
        })
      }
      queue.unshift(...given.map((holder) => holders.get(holder) ?? 0))
      releases.push(given.length)
      wakeUp.wake()
      return Promise.resolve()
    },
  }
  const loop = new ClaimLoop({
    ...options,
    context: { clock, settings: { pollIntervalMs: 5 }, log } as unknown as Context,
    concurrency,
    claimAhead: new ClaimAhead(concurrency, concurrency),
    wakeUp,
    admission: { admittedCount: 0 } as unknown as ClaimLoopOptions['admission'],
    isOpen: () => isOpen,
    isDraining: () => false,
    hasDueJobs: () => Promise.resolve(queue.length > 0),
  })
  const served = loop.serve({ untilEmpty: false })
  return {
    claims,
    releases,
    begun,
    aheadCount: () => loop.aheadCount,
    passed: () => passes,
    async end() {
      isOpen = false
      wakeUp.wake()
      for (const go of letGo) go()
      return served
    },
  }
}

it('claims nothing ahead after slow ones that followed quick ones had to go back', async () => {
  const loop = startLoop(100, 500)
  const passes = async (count: number) => {
    const before = loop.passed()
    await waitUntil('it went round', () => Promise.resolve(loop.passed() > before + count))
  }
  await waitUntil('slow ones run, and all others went back', () =>
    Promise.resolve(loop.begun.length === 100 + concurrency && loop.aheadCount() === 0),
  )
  const releases = loop.releases.length
  await passes(150)
  // A claim may have been under way at that moment, and what it brought goes back once.
  expect(loop.releases.length).toBeGreaterThan(0)
  expect(loop.releases.length - releases).toBeLessThanOrEqual(1)
  expect(await loop.end()).toMatchObject({ completed: 100 + concurrency })
})

it('begins none of those that it could not give back when it stops', async () => {
  let refuse: (error: Error) => void = () => undefined
  const loop = startLoop(100, 500, (stop) => {
    stop()
    return new Promise((_resolve, reject) => (refuse = reject))
  })
  await waitUntil('jobs were to go back', () => Promise.resolve(loop.releases.length > 0))
  expect(await loop.end()).toMatchObject({ completed: 100 + concurrency })
  // Its slots are free by now.
  refuse(new Error('no answer'))
  await nextTurn()
  expect(loop.begun).toHaveLength(100 + concurrency)
})
