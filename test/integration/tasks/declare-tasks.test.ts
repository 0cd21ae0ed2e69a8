import { afterAll, beforeAll, expect, it } from 'vitest'
import { attendTasks, declareTasks, leaveTasks } from '../../../src/core/tasks/declare-tasks.ts'
import { systemTasks } from '../../../src/core/tasks/index.ts'
import { type TestContext, openTestContext } from '../../support/core-context.ts'

let core: TestContext
beforeAll(async () => {
  core = await openTestContext()
})
afterAll(() => core.close())

const wanted = systemTasks.map((task) => ({ task, cron: '0 3 * * *', timezone: 'UTC' }))

/** As a service that starts, attends a few times, and stops. */
async function serve(folderId: string): Promise<void> {
  const declared = [...(await declareTasks(core.context, wanted, folderId)).keys()]
  for (let round = 0; round < 3; round += 1) {
    expect(await attendTasks(core.context, declared)).toBe(true)
  }
  await leaveTasks(core.context, declared)
}

it('lets services start, attend and leave at the same moment, none waiting for another for ever', async () => {
  // Postgres ends one of those that wait for each other, and its service with it.
  const services = Array.from({ length: 4 }, async (_, number) => {
    for (let round = 0; round < 40; round += 1) await serve(`folder-${number % 2}`)
  })
  await Promise.all(services)

  const { rows } = await core.context.database.pool.query('select task from analysis_tasks')
  const ofFiles = systemTasks.filter(({ scope }) => scope === 'files')
  // One for each folder, or one for all.
  expect(rows).toHaveLength(systemTasks.length + ofFiles.length)
})
