import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KilnError, errorCodeOf, messageOf } from '../errors/index.ts'
import { handleRequest } from './handle-request.ts'
import type { HttpSources } from './sources.ts'

// Imported, all that it exports would be read, and one of these getters loads Node's whole `fetch`: a tenth
// of the CPU of a service's start, and memory that it never uses.
const { createServer } = process.getBuiltinModule('node:http')

/** A client that does not send its whole headers or request within these is let go. */
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000
/** A client that takes nothing of its answer for so long is let go. */
const idleTimeoutMs = 60_000
const keepAliveTimeoutMs = 5_000
/** Longer than a request of a token, shorter than a flood. */
const maxHeaderBytes = 16 * 1024
const maxHeaders = 100
/** Beyond, new connections are closed at once: descriptors are also needed for the work. */
const maxConnections = 512
/** How long a stop waits for answers that are under way. */
const stopGraceMs = 5_000

export interface HttpServerOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  readonly sources: HttpSources
}

/** Listens for HTTP requests, from `start` to `stop`. */
export class HttpServer {
  private readonly options: HttpServerOptions
  private readonly server: Server

  constructor(options: HttpServerOptions) {
    this.options = options
    const { sources } = options
    this.server = createServer(
      {
        headersTimeout: headersTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: keepAliveTimeoutMs,
        maxHeaderSize: maxHeaderBytes,
        // How often the first two are looked at; the default lets them run 30 s over.
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => void handleRequest(sources, request, response),
    )
    this.server.on('checkContinue', (request, response) => {
      void handleRequest(sources, request, response, () => response.writeContinue())
    })
    this.server.maxHeadersCount = maxHeaders
    this.server.maxConnections = maxConnections
    this.server.setTimeout(idleTimeoutMs)
  }

  /**
   * Binds the address and returns it as a URL.
   *
   * @throws KilnError PORT_IN_USE, PERMISSION_DENIED, SETTING_INVALID.
   */
  async start(): Promise<string> {
    const { host, port } = this.options
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error) => reject(listenError(error, host, port)))
      this.server.listen(port, host, resolve)
    })
    const address = this.server.address() as AddressInfo
    const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
    return `http://${name}:${address.port}`
  }

  /** Stops accepting, lets answers under way end for a moment, then ends every connection. */
  async stop(): Promise<void> {
    if (!this.server.listening) return
    // It also ends connections that are kept open for a next request.
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    const timer = setTimeout(() => this.server.closeAllConnections(), stopGraceMs)
    await closed
    clearTimeout(timer)
  }
}

function listenError(error: unknown, host: string, port: number): KilnError {
  switch (errorCodeOf(error)) {
    case 'EADDRINUSE':
      return new KilnError(
        'PORT_IN_USE',
        `port ${port} of ${host} is taken: stop what listens there, or choose another with --port`,
        { cause: error },
      )
    case 'EACCES':
      return new KilnError('PERMISSION_DENIED', `port ${port} needs a privilege to listen on`, {
        hint: 'choose a port above 1023 with --port',
        cause: error,
      })
    default:
      return new KilnError(
        'SETTING_INVALID',
        `cannot listen on ${host} port ${port}: ${messageOf(error)}`,
        { hint: 'give an address of this machine with --host or HOST', cause: error },
      )
  }
}
