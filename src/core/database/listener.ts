import pg from 'pg'
import type { ConnectionTarget } from './connection-target.ts'

export interface ListenerOptions {
  readonly target: ConnectionTarget
  readonly applicationName: string
  readonly channels: readonly string[]
  readonly onNotification: (channel: string) => void
}

/** Waits between attempts to listen again, before jitter. */
const retryDelaysMs = [200, 500, 1000, 2000, 5000]

/**
 * Keeps one connection that LISTENs. Notifications are hints: whoever uses this polls as well,
 * faster while `isListening` is false, since a pooler may drop LISTEN without a word.
 */
export class Listener {
  private readonly options: ListenerOptions
  private client: pg.Client | undefined
  private retryTimer: NodeJS.Timeout | undefined
  private failures = 0
  private isStopped = false
  isListening = false

  constructor(options: ListenerOptions) {
    this.options = options
  }

  /** Resolves after the first attempt, whether it listens or not. */
  async start(): Promise<void> {
    if (this.isStopped) return
    const client = new pg.Client({
      ...this.options.target.config,
      application_name: this.options.applicationName,
      keepAlive: true,
      connectionTimeoutMillis: 5000,
    })
    this.client = client
    client.on('notification', ({ channel }) => this.options.onNotification(channel))
    client.on('error', () => this.lost(client))
    client.on('end', () => this.lost(client))
    try {
      await client.connect()
      for (const channel of this.options.channels) {
        await client.query(`listen ${client.escapeIdentifier(channel)}`)
      }
      this.failures = 0
      this.isListening = true
    } catch {
      // The caller polls meanwhile, and its own statements report that the database is away.
      this.lost(client)
    }
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.isListening = false
    clearTimeout(this.retryTimer)
    const client = this.client
    this.client = undefined
    await client?.end().catch(() => undefined)
  }

  private lost(client: pg.Client): void {
    if (this.client !== client) return
    this.client = undefined
    this.isListening = false
    client.end().catch(() => undefined)
    if (this.isStopped) return
    const delay = retryDelaysMs[Math.min(this.failures, retryDelaysMs.length - 1)] ?? 5000
    this.failures += 1
    // Jitter, so that many executors do not return in the same instant.
    this.retryTimer = setTimeout(() => void this.start(), delay * (0.5 + Math.random()))
    this.retryTimer.unref()
  }
}
