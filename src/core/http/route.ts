import type { IncomingMessage } from 'node:http'
import type { Reply } from './reply.ts'
import type { HttpSources } from './sources.ts'

export interface RouteRequest {
  readonly request: IncomingMessage
  readonly sources: HttpSources
  /** The part of the path that the route's pattern captures. */
  readonly parameter: string
  /** Tells a client that asked first to send its body. */
  readonly allowBody: () => void
}

export interface Route {
  readonly path: RegExp
  readonly isProtected: boolean
  readonly methods: Readonly<Record<string, (input: RouteRequest) => Promise<Reply>>>
}
