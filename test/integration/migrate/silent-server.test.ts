import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrateDown, migrateUp } from '../../../src/core/migrate/index.ts'
import { waitUntil } from '../../support/wait-until.ts'

let server: Server
const sockets: Socket[] = []
beforeEach(async () => {
  server = createServer((socket) => sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  server.close()
})

test.each([
  ['up', migrateUp],
  ['down', migrateDown],
])('%s ends at once when told, while the server says nothing', async (_, migrate) => {
  const { port } = server.address() as AddressInfo
  const target = {
    config: { connectionString: `postgresql://kiln@127.0.0.1:${port}/kiln` },
    label: 'a silent server',
    isPrivate: false,
  }
  const controller = new AbortController()
  const work = migrate({ database: { target }, signal: controller.signal })
  // Not for the limit of connecting, which would be told as such.
  const ended = expect(work).rejects.toThrow('told to end')
  await waitUntil('it has connected', () => sockets.length > 0)
  controller.abort(new Error('told to end'))
  await ended
})
