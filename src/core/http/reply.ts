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
  const body = request.method === 'HEAD' ? '' : reply.body
  if (!isUnread) {
    response.end(body)
    return
  }
  response.flushHeaders()
  response.write(body)
  afterRest(request, () => response.end())
}

/**
 * Drops the rest of a request's body, for a moment at most, before the connection is closed. Closed
 * with something unread in it, it would be reset, and the client lose the answer that says why.
 */
function afterRest(request: IncomingMessage, close: () => void): void {
  const timer = setTimeout(close, lingerMs)
  const onEnd = (): void => {
    clearTimeout(timer)
    close()
  }
  request.once('end', onEnd)
  request.once('close', onEnd)
  request.resume()
}
