/**
 * Runs before the tests of a project: the built program must exist, since tests spawn it, and one
 * Postgres serves the whole run. Vitest calls this once per project in one process, so the server
 * is kept on the process and counted.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { type TestServer, startTestServer } from './test-server.ts'

interface Shared {
  users: number
  server: Promise<TestServer>
}

const home = globalThis as typeof globalThis & { kilnTestServer?: Shared }

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const built = path.resolve(import.meta.dirname, '../../dist/main.js')
  if (!existsSync(built)) throw new Error('not built: run `npm run build` first')
  const shared = (home.kilnTestServer ??= { users: 0, server: startTestServer() })
  shared.users += 1
  const server = await shared.server
  project.provide('testRun', server.run)
  return async () => {
    shared.users -= 1
    if (shared.users > 0) return
    delete home.kilnTestServer
    await server.stop()
  }
}
