import { connect } from 'node:net'
import { KilnError, errorCodeOf } from '../../errors/index.ts'
import { type Layout, socketPath } from './layout.ts'
import { type PostmasterFile, readPostmasterFile } from './postmaster-file.ts'

/**
 * - `down`: nothing runs.
 * - `ready`: a server answers and takes connections.
 * - `busy`: a server answers, and starts, recovers or stops.
 * - `silent`: a server says it runs and does not answer: it begins, ends, or was killed.
 */
export type Probe =
  | { readonly state: 'down' }
  | { readonly state: 'ready' | 'busy' | 'silent'; readonly file: PostmasterFile }

/** Looks at the server's own file and knocks at its socket; well under a millisecond. */
export async function probeServer(layout: Layout): Promise<Probe> {
  const file = await readPostmasterFile(layout.pgdata)
  if (!file) return { state: 'down' }
  if (file.socketFolder === '' || !(await answers(file.socketFolder))) {
    return { state: 'silent', file }
  }
  return { state: file.isReady ? 'ready' : 'busy', file }
}

/** The socket, not the pid, proves that a server lives: pids repeat after a restart. */
function answers(socketFolder: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const socket = connect(socketPath(socketFolder))
  socket.on('connect', () => {
    socket.destroy()
    resolve(true)
  })
  socket.on('error', (error) => {
    const code = errorCodeOf(error)
    // EAGAIN: its queue of waiting connections is full, so it lives.
    if (code === 'EAGAIN') resolve(true)
    else if (code !== 'EACCES' && code !== 'EPERM') resolve(false)
    else {
      reject(
        new KilnError(
          'PERMISSION_DENIED',
          `the socket of the private Postgres in ${socketFolder} is closed to this user`,
          { hint: 'run the command as the user who started it', cause: error },
        ),
      )
    }
  })
  return promise
}
