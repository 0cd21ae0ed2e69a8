import type { IncomingMessage, ServerResponse } from 'node:http'

/** What a route answers. */
export interface Reply {
  readonly status: number
  readonly body: string
  readonly contentType: string
  readonly headers?: Readonly<Record<string, string>>
}

export function jsonReply(
  status: number,
  value: unknown,
  headers?: Readonly<Record<string, string>>,
): Reply {
  return {
    status,
    body: `${JSON.stringify(value)}\n`,
    contentType: 'application/json; charset=utf-8',
    ...(headers ? { headers } : {}),
  }
}

/** How long a client may go on sending a body that nobody reads, so that it sees the answer. */
const lingerMs = 1000

export function sendReply(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  if (response.destroyed) return
  const isUnread = !request.complete
  response.writeHead(reply.status, {
    'content-type': reply.contentType,
    'content-length': Buffer.byteLength(reply.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...reply.headers,
    ...(isUnread ? { connection: 'close' } : {}),
  })
  response.end(request.method === 'HEAD' ? undefined : reply.body)
  if (isUnread) linger(request)
}

/**
 * Drops the rest of a request's body for a moment, then the connection. Closing it at once would
 * reset it, and the client would lose the answer that says why.
 */
function linger(request: IncomingMessage): void {
  const timer = setTimeout(() => request.socket.destroy(), lingerMs)
  request.socket.once('close', () => clearTimeout(timer))
  request.resume()
}
