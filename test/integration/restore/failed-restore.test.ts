/** What a restore that fails late has put beside the live data goes with it. */
import { existsSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findRestoreTarget, restoreSet } from '../../../src/core/restore/index.ts'
import { addStoredResult, backUp, openBackup } from '../../support/backup.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'
import { insertAnalysis } from '../../support/queue.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())

it('stored results that no row came to name are taken away, and come with the next restore', async () => {
  const { pool } = core.context.database
  const storagePath = await addStoredResult(core, await insertAnalysis(pool))
  await backUp(core)
  const file = path.join(core.context.settings.dataDir, storagePath)
  rmSync(file)
  const target = await findRestoreTarget(core.context, undefined)
  const set = await openBackup(core)
  const input = { set, target, releases: false }
  let wasThere = false
  await expect(
    restoreSet(core.context, {
      ...input,
      onStep: (step) => {
        if (step !== 'staged') return
        wasThere = existsSync(file)
        throw new Error('late')
      },
    }),
  ).rejects.toThrow('late')
  expect([wasThere, existsSync(file)]).toEqual([true, false])
  await restoreSet(core.context, input)
  expect(existsSync(file)).toBe(true)
})
