import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { HttpProblem } from './http-problem.ts'

/**
 * Lets a request pass that carries the bearer token.
 *
 * @throws HttpProblem ROUTE_OFF without a configured token, UNAUTHORIZED.
 */
export function authorize(request: IncomingMessage, token: string | undefined): void {
  if (token === undefined) {
    throw new HttpProblem('ROUTE_OFF', 'the routes of jobs are off: no token is configured', {
      hint: 'set ANALYSIS_API_TOKEN for the service',
    })
  }
  const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
  if (isSameSecret(given, token)) return
  throw new HttpProblem('UNAUTHORIZED', 'the bearer token is missing or wrong', {
    hint: 'send the header: Authorization: Bearer <ANALYSIS_API_TOKEN>',
    headers: { 'www-authenticate': 'Bearer' },
  })
}

/** Takes the same time wherever two texts differ, and however long they are. */
export function isSameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected))
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
