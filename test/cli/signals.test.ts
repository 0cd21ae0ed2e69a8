/**
 * SIGINT and SIGTERM, for every command that can be met at work: while a server has taken its connection
 * and says nothing, or while a sandbox runs a script without end. Once, it ends by itself; twice, at once.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureRepository } from '../../src/core/backup/index.ts'
import { buildSet } from '../support/backup-set.ts'
import { commandNames, wordsOf, writeFilesOfLines } from '../support/command-lines.ts'
import { commandLineOf, descendantsOf, survivors } from '../support/descendants.ts'
import { type KilnResult, startKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { waitUntil } from '../support/wait-until.ts'

/** They ask no server and run no script: they have ended before a signal comes. */
const withoutWaiting = new Set([
  'analysis init',
  'backup list',
  // It tells the database what it has done, and has done it.
  'backup prune',
  'backup show',
  'completion',
  'config check',
  'config show',
  'config suggest',
  // Ctrl-C is for psql, which gets it too; db.test.ts ends it.
  'db psql',
  'db start',
  'db status',
  'db stop',
  'db url',
  'migrate create',
  'schedule next',
])

/** Where the usual line comes to an end before it waits. */
const lines: Readonly<Record<string, string>> = {
  'analysis validate': 'endless/a.js',
  'backup import': 'script.js',
  'backup verify': 'latest --level drill',
  health: '--url http://127.0.0.1:PORT',
  'health check': '--target a=http://127.0.0.1:PORT',
  'restore duckdb': 'latest --confirm data',
  'restore postgres': 'latest --confirm kiln',
  test: 'endless',
}
const inSandbox = new Set(['analysis validate', 'sandbox check', 'test'])

let folder: TemporaryFolder
let server: Server
const connections: Socket[] = []
let port: number
beforeAll(async () => {
  folder = await createTemporaryFolder('signals')
  await writeFilesOfLines(folder.path)
  await mkdir(path.join(folder.path, 'endless'))
  await writeFile(path.join(folder.path, 'endless/a.js'), 'for (;;);\n')
  await writeFile(path.join(folder.path, 'endless/a.test.json'), '{"expected": 1}')
  await buildSet(await ensureRepository(path.join(folder.path, 'data/backups')))
  server = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(async () => {
  for (const socket of connections) socket.destroy()
  server.close()
  await folder.remove()
})

const cases = [
  ...commandNames
    .filter((name) => !withoutWaiting.has(name))
    .filter((name) => process.platform === 'linux' || !inSandbox.has(name))
    .map((name, index) => [name, index % 2 === 0 ? 'SIGINT' : 'SIGTERM', 1] as const),
  // The second signal is nothing that a command sees, of those that end themselves after the first.
  ['analysis run', 'SIGINT', 2],
  ['backup create', 'SIGTERM', 2],
  ['job wait', 'SIGINT', 2],
] as const

describe.each(cases)('kiln %s', (name, signal, times) => {
  const exitCode = signal === 'SIGINT' ? 130 : 143
  it(`ends with ${exitCode} after ${signal}, ${times === 1 ? 'once' : 'twice'}`, async () => {
    const before = connections.length
    const line = lines[name]?.replace('PORT', String(port))
    const kiln = startKiln(line ? [...name.split(' '), ...line.split(' ')] : wordsOf(name), {
      cwd: folder.path,
      env: {
        DATABASE_URL: `postgresql://kiln@127.0.0.1:${port}/kiln`,
        ANALYSIS_DATA_DIR: `${folder.path}/data`,
      },
    })
    kiln.stdin.end()
    let children: number[] = []
    try {
      await waitUntil(`${name} is at work`, () => {
        if (!inSandbox.has(name)) return connections.length > before
        children = descendantsOf(kiln.pid)
        return children.some((pid) => commandLineOf(pid).includes('sandbox.js'))
      })
      kiln.kill(signal)
      let result: KilnResult | undefined
      void kiln.exited.then((end) => (result = end))
      await waitUntil(`${name} has ended`, () => {
        // Two of a kind that come together are one: whoever is impatient goes on and on.
        if (times === 2) kiln.kill(signal)
        return result !== undefined
      })
      expect(result).toMatchObject({ exitCode, signal: null, stdout: '' })
      expect(result?.stderr).not.toMatch(/^ +at /m)
      await waitUntil('nothing of it is left', () => survivors(children).length === 0)
    } finally {
      kiln.kill('SIGKILL')
      await kiln.exited
    }
  })
})
