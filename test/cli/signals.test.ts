/**
 * SIGINT and SIGTERM, for every command that uses a database: while a server has taken its connection and
 * says nothing. Once, it ends by itself; twice, at once.
 */
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandNames, wordsOf, writeFilesOfLines } from '../support/command-lines.ts'
import { type KilnResult, startKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { waitUntil } from '../support/wait-until.ts'

/** They ask no database, or not before something else has failed. */
const withoutDatabase = new Set([
  'analysis init',
  'analysis validate',
  'backup export',
  'backup import',
  'backup list',
  'backup prune',
  'backup show',
  'backup verify',
  'completion',
  'config check',
  'config show',
  'config suggest',
  'datasource add',
  'db start',
  'db status',
  'db stop',
  'db url',
  'health',
  'health check',
  'migrate create',
  'project move',
  'restore duckdb',
  'restore postgres',
  'schedule next',
  'test',
])

let folder: TemporaryFolder
let server: Server
const connections: Socket[] = []
let url: string
beforeAll(async () => {
  folder = await createTemporaryFolder('signals')
  await writeFilesOfLines(folder.path)
  server = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `postgresql://kiln@127.0.0.1:${(server.address() as AddressInfo).port}/kiln`
})
afterAll(async () => {
  for (const socket of connections) socket.destroy()
  server.close()
  await folder.remove()
})

const ends = [
  ['SIGINT', 1, 130],
  ['SIGTERM', 2, 143],
  ['SIGTERM', 1, 143],
  ['SIGINT', 2, 130],
] as const

const cases = commandNames
  .filter((name) => !withoutDatabase.has(name))
  .map((name, index) => [name, ...(ends[index % ends.length] ?? ends[0])] as const)

describe.each(cases)('kiln %s', (name, signal, times, exitCode) => {
  it(`ends with ${exitCode} after ${signal}, ${times === 1 ? 'once' : 'twice'}`, async () => {
    const before = connections.length
    const kiln = startKiln(wordsOf(name), {
      cwd: folder.path,
      env: { DATABASE_URL: url, ANALYSIS_DATA_DIR: `${folder.path}/data` },
    })
    kiln.stdin.end()
    try {
      await waitUntil(`${name} connects`, () => connections.length > before)
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
    } finally {
      kiln.kill('SIGKILL')
      await kiln.exited
    }
  })
})
