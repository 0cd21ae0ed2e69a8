import type { IncomingMessage, ServerResponse } from 'node:http'
import { messageOf } from '../errors/index.ts'
import { authorize } from './authorize.ts'
import { errorReply, toRouteError } from './error-reply.ts'
import { HttpProblem } from './http-problem.ts'
import { type Reply, sendReply } from './reply.ts'
import { routes } from './routes.ts'
import type { HttpSources } from './sources.ts'

/** Answers one request, whatever it is; never rejects. */
export async function handleRequest(
  sources: HttpSources,
  request: IncomingMessage,
  response: ServerResponse,
  allowBody: () => void = () => undefined,
): Promise<void> {
  const reply = await answer(sources, request, allowBody)
  sources.context.log.debug(
    { method: request.method, path: request.url, status: reply.status },
    'HTTP request',
  )
  sendReply(request, response, reply)
}

async function answer(
  sources: HttpSources,
  request: IncomingMessage,
  allowBody: () => void,
): Promise<Reply> {
  try {
    return await route(sources, request, allowBody)
  } catch (error) {
    const known = toRouteError(error)
    const reply = errorReply(known)
    if (reply.status >= 500) {
      const { method, url } = request
      const reason = messageOf(known.cause ?? known)
      sources.context.log.error({ method, path: url, code: known.code, reason }, 'HTTP error')
    }
    return reply
  }
}

async function route(
  sources: HttpSources,
  request: IncomingMessage,
  allowBody: () => void,
): Promise<Reply> {
  const [path = ''] = (request.url ?? '').split('?')
  for (const { path: pattern, isProtected, methods } of routes) {
    const match = pattern.exec(path)
    if (!match) continue
    if (isProtected) authorize(request, sources.token())
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '')
    const handler = Object.hasOwn(methods, method) ? methods[method] : undefined
    if (!handler) {
      const allowed = Object.keys(methods).join(', ')
      throw new HttpProblem('METHOD_NOT_ALLOWED', `this path takes ${allowed}`, {
        headers: { allow: allowed },
      })
    }
    return handler({ request, sources, parameter: match[1] ?? '', allowBody })
  }
  throw new HttpProblem('ROUTE_NOT_FOUND', 'there is nothing at this path', {
    hint: 'known: /livez, /readyz, /health, /metrics, /jobs, /jobs/:id, /jobs/:id/result',
  })
}
