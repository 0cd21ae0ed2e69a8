import { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { Wire } from '../../../src/core/datasources/postgres/wire.ts'

/** A socket whose other end the test writes to. */
function fakeSocket(): Duplex {
  return new Duplex({ read: () => undefined, write: (_, __, done) => done() })
}

function message(code: string, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body as string)
  const head = Buffer.alloc(5)
  head.write(code)
  head.writeUInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

/** Two columns of messages: what the server sends, cut at every size. */
const answer = Buffer.concat([
  message('H', '\0\0\0'),
  message('d', 'first,row\n'),
  message('d', ''),
  message('d', `${'x'.repeat(300)}\n`),
  message('N', 'notice'),
  message('d', 'last\n'),
  message('c', ''),
  message('C', 'COPY 4\0'),
  message('Z', 'T'),
])

describe('the wire to Postgres', () => {
  it('cuts the bytes into messages and COPY rows, however they arrive', async () => {
    for (let size = 1; size <= answer.length; size = Math.ceil(size * 1.5)) {
      const socket = fakeSocket()
      const wire = new Wire(socket, 1000)
      const codes: string[] = []
      let copied = ''
      let rows = 0
      const done = wire.exchange(
        [],
        (code, body) => {
          codes.push(String.fromCharCode(code) + body.toString())
          return code === 0x5a
        },
        (chunk, start, end, isEnd) => {
          copied += chunk.toString('utf8', start, end)
          rows += isEnd ? 1 : 0
        },
      )
      for (let at = 0; at < answer.length; at += size) socket.push(answer.subarray(at, at + size))
      await done
      expect(codes).toEqual(['H\0\0\0', 'Nnotice', 'c', 'CCOPY 4\0', 'ZT'])
      expect(copied).toBe(`first,row\n${'x'.repeat(300)}\nlast\n`)
      expect(rows).toBe(4)
      socket.destroy()
    }
  })

  it('ends the connection when a message announces more than the limit', async () => {
    const socket = fakeSocket()
    const wire = new Wire(socket, 1000)
    const done = wire.exchange([], () => false)
    socket.push(message('D', 'x'.repeat(2000)).subarray(0, 5))
    await expect(done).rejects.toThrow('larger than the limit')
    expect(socket.destroyed).toBe(true)
    await expect(wire.exchange([], () => false)).rejects.toThrow('larger than the limit')
  })

  it('reports a connection that closes', async () => {
    const socket = fakeSocket()
    const done = new Wire(socket, 1000).exchange([], () => false)
    socket.destroy()
    await expect(done).rejects.toMatchObject({ code: 'DATASOURCE_UNAVAILABLE' })
  })
})
