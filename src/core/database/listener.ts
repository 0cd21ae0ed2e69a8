import { randomUUID } from 'node:crypto'
import { Socket } from 'node:net'
import pg from 'pg'
import { messageOf } from '../errors/index.ts'
import type { Logger } from '../log/index.ts'
import { type ConnectionTarget, tcpKeepalive } from './connection-target.ts'
import { isConnectionLost } from './database-errors.ts'

export interface ListenerOptions {
  readonly target: ConnectionTarget
  /** Other connections to the same database; the keepalive is sent through them. */
  readonly pool: pg.Pool
  readonly log: Logger
  readonly applicationName: string
  readonly channels: readonly string[]
  readonly onNotification: (channel: string) => void
  /** How often, and for how long at most, a notification to itself is awaited; 30 s and 5 s. */
  readonly keepaliveEveryMs?: number
  readonly answerLimitMs?: number
}

interface Connection {
  readonly client: pg.Client
  readonly socket: Socket
  /** Called when a notification of the keepalive arrives. */
  onKeepalive: () => void
}

/** Waits between attempts to listen again, before jitter. */
const retryDelaysMs = [200, 500, 1000, 2000, 5000]

/** One statement of the pool every so often: next to nothing, and a lost LISTEN costs little. */
const defaultKeepaliveEveryMs = 30_000

/** A notification takes a millisecond; a server or a process that is busy may need some seconds. */
const defaultAnswerLimitMs = 5000

/** A connection that is well says goodbye within this; one that hangs is cut. */
const goodbyeLimitMs = 1000

/**
 * Keeps one connection that LISTENs. Notifications are hints: whoever uses this polls as well,
 * faster while `isListening` is false. A transaction pooler accepts LISTEN and never delivers, and a
 * connection may hang without an error, so `isListening` is true only as long as notifications that
 * are sent through the pool do arrive here.
 */
export class Listener {
  private readonly options: Required<ListenerOptions>
  /** Nobody else listens to it. */
  private readonly keepaliveChannel = `kiln_keepalive_${randomUUID()}`
  private connection: Connection | undefined
  private timer: NodeJS.Timeout | undefined
  private failures = 0
  private isStopped = false
  private isSilenceSaid = false
  isListening = false

  constructor(options: ListenerOptions) {
    this.options = {
      keepaliveEveryMs: defaultKeepaliveEveryMs,
      answerLimitMs: defaultAnswerLimitMs,
      ...options,
    }
  }

  /**
   * Resolves after the first attempt to connect, whether it came through or not; `isListening`
   * follows when the first notification has arrived.
   */
  async start(): Promise<void> {
    if (this.isStopped) return
    const connection = this.open()
    const { client } = connection
    this.connection = connection
    try {
      await client.connect()
      for (const channel of [...this.options.channels, this.keepaliveChannel]) {
        await client.query(`listen ${client.escapeIdentifier(channel)}`)
      }
    } catch (error) {
      // The caller polls meanwhile, and its own statements report that the database is away.
      if (!isConnectionLost(error)) this.saySilence(messageOf(error))
      this.lost(connection)
      return
    }
    void this.checkDelivery(connection)
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.isListening = false
    clearTimeout(this.timer)
    const { connection } = this
    this.connection = undefined
    if (connection) await close(connection)
  }

  private open(): Connection {
    const socket = new Socket()
    const client = new pg.Client({
      ...this.options.target.config,
      stream: () => socket,
      application_name: this.options.applicationName,
      ...tcpKeepalive,
      connectionTimeoutMillis: this.options.answerLimitMs,
      query_timeout: this.options.answerLimitMs,
    })
    const connection: Connection = { client, socket, onKeepalive: () => undefined }
    client.on('notification', ({ channel }) => {
      if (channel === this.keepaliveChannel) connection.onKeepalive()
      else this.options.onNotification(channel)
    })
    client.on('error', () => this.lost(connection))
    client.on('end', () => this.lost(connection))
    return connection
  }

  /** One round of the keepalive; the next one follows, or a new connection. */
  private async checkDelivery(connection: Connection): Promise<void> {
    const outcome = await this.sendAndAwait(connection)
    if (this.connection !== connection) return
    if (outcome !== 'arrived') {
      // What cannot be sent says nothing about a pooler; a connection is cheap to replace all the same.
      if (outcome === 'silent') this.saySilence('a transaction pooler?')
      this.lost(connection)
      return
    }
    this.isListening = true
    this.failures = 0
    if (this.isSilenceSaid) this.options.log.info({}, 'notifications arrive again')
    this.isSilenceSaid = false
    this.timer = setTimeout(
      () => void this.checkDelivery(connection),
      this.options.keepaliveEveryMs,
    )
    this.timer.unref()
  }

  private async sendAndAwait(connection: Connection): Promise<'arrived' | 'silent' | 'unsent'> {
    const arrival = new Promise<'arrived'>((resolve) => {
      connection.onKeepalive = () => resolve('arrived')
    })
    const query = {
      text: 'select pg_notify($1, $2)',
      values: [this.keepaliveChannel, ''],
      query_timeout: this.options.answerLimitMs,
    }
    try {
      await this.options.pool.query(query)
    } catch {
      // The database is away, or the pool is exhausted: its users report that.
      return 'unsent'
    }
    let timer: NodeJS.Timeout | undefined
    const silence = new Promise<'silent'>((resolve) => {
      timer = setTimeout(() => resolve('silent'), this.options.answerLimitMs)
      timer.unref()
    })
    const outcome = await Promise.race([arrival, silence])
    clearTimeout(timer)
    return outcome
  }

  /** Once, until they arrive again: behind a pooler it would be said for ever. */
  private saySilence(reason: string): void {
    if (this.isSilenceSaid || this.isStopped) return
    this.isSilenceSaid = true
    this.options.log.warn({}, `notifications do not arrive (${reason}): polling instead`)
  }

  private lost(connection: Connection): void {
    if (this.connection !== connection) return
    this.connection = undefined
    this.isListening = false
    clearTimeout(this.timer)
    void close(connection)
    if (this.isStopped) return
    const isSilentAgain = this.isSilenceSaid && this.failures > 0
    const delay = isSilentAgain ? this.options.keepaliveEveryMs : this.retryDelayMs
    this.failures += 1
    // Jitter, so that many executors do not return in the same instant.
    this.timer = setTimeout(() => void this.start(), delay * (0.5 + Math.random()))
    this.timer.unref()
  }

  private get retryDelayMs(): number {
    return retryDelaysMs[Math.min(this.failures, retryDelaysMs.length - 1)] ?? 5000
  }
}

/** Ends a connection; one that does not answer must not keep a process from ending. */
async function close({ client, socket }: Connection): Promise<void> {
  const timer = setTimeout(() => socket.destroy(), goodbyeLimitMs)
  await client.end().catch(() => undefined)
  clearTimeout(timer)
}
