import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { migrationStatus } from '../../../src/core/migrate/index.ts'

/** One message of the server's protocol: type, length, body. */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type), length, body])
}

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
const int32 = (value: number): Buffer => Buffer.from([0, 0, value >> 8, value & 255])

function row(values: Readonly<Record<string, string>>): Buffer {
  const fields = Object.entries(values)
  const description = fields.map(([name]) =>
    Buffer.concat([
      Buffer.from(`${name}\0`),
      int32(0),
      int16(0),
      int32(25),
      int16(0),
      int32(0),
      int16(0),
    ]),
  )
  const data = fields.map(([, value]) => Buffer.concat([int32(value.length), Buffer.from(value)]))
  return Buffer.concat([
    message('T', Buffer.concat([int16(fields.length), ...description])),
    message('D', Buffer.concat([int16(fields.length), ...data])),
    message('C', Buffer.from('SELECT 1\0')),
    message('Z', Buffer.from('I')),
  ])
}

test('refuses a server that is too old, saying which version it is', async () => {
  const server = createServer((socket) => {
    socket.once('data', () => {
      socket.write(Buffer.concat([message('R', int32(0)), message('Z', Buffer.from('I'))]))
      socket.once('data', () =>
        socket.write(row({ pid: '1', version: '13.22 (Debian)', searchPath: '', ledger: 'l' })),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const target = { config: { host: '127.0.0.1', port }, label: 'old', isPrivate: false }
  try {
    await expect(migrationStatus({ database: { target } })).rejects.toMatchObject({
      code: 'DATABASE_VERSION_UNSUPPORTED',
      exitCode: 78,
      message: 'old runs Postgres 13.22 (Debian), Kiln needs 14 or newer',
    })
  } finally {
    server.close()
  }
})
