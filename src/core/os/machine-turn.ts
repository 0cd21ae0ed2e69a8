import { createServer } from 'node:net'
import { errorCodeOf } from '../errors/index.ts'

/** Gives the turn back; it also ends with the process. */
export type Release = () => void

/**
 * Takes a turn that one process of this machine can have at a time; undefined while another has it.
 * The kernel keeps it (an abstract socket's name), so that nothing is left behind by a death. Any
 * local user may take the same name: use it to keep out of each other's way, not to protect data.
 * Elsewhere than on Linux there is no such thing, and everybody gets a turn.
 */
export function tryTakeTurn(name: string): Promise<Release | undefined> {
  if (process.platform !== 'linux') return Promise.resolve(() => undefined)
  const { promise, resolve, reject } = Promise.withResolvers<Release | undefined>()
  const server = createServer((socket) => socket.destroy())
  server.on('error', (error) => {
    if (errorCodeOf(error) === 'EADDRINUSE') resolve(undefined)
    else reject(error)
  })
  server.listen(`\0${name}`, () => resolve(() => void server.close()))
  server.unref()
  return promise
}
