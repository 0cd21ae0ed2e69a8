import type pg from 'pg'
import { type ConnectionTarget, cancelUntilEnded } from '../../database/index.ts'
import { KilnError, isKilnError } from '../../errors/index.ts'
import { openClient } from '../../migrate/index.ts'

/**
 * Watches the connections of a restore over one more of its own. A statement may take hours, so that
 * its silence says nothing: the server is taken for gone when it does not answer here. An interrupt
 * ends what the server does for the others.
 */
export interface SessionWatch {
  /** How long the server may be silent. */
  readonly limitMs: number
  add(client: pg.Client): void
  remove(client: pg.Client): void
  /** Why all connections were cut; undefined while the server answers. */
  readonly silence: KilnError | undefined
  /** Tells of a statement that an interrupt has to end. */
  asked(client: pg.Client, statement: Promise<unknown>): void
  /** Waits until no request to cancel can hit a statement of `client` that puts things in order. */
  settled(client: pg.Client): Promise<void>
  stop(): Promise<void>
}

/** Where the server gives no connection for it, the work goes on unwatched. */
export async function startWatch(
  target: ConnectionTarget,
  signal: AbortSignal,
  limitMs: number,
): Promise<SessionWatch> {
  const beats = await openClient(target, 'kiln restore (watch)').catch((error: unknown) => {
    // That is no server without a connection to spare, but none at all: nobody would see its silence.
    if (isKilnError(error, 'DATABASE_CONNECTION_FAILED')) throw error
    return undefined
  })
  return new Watch(beats, target, signal, limitMs)
}

/** The driver offers no way to let go of a connection that does not answer. */
export function destroySocket(client: pg.Client): void {
  const { connection } = client as unknown as { readonly connection: pg.Connection }
  connection.stream.destroy()
}

class Watch implements SessionWatch {
  readonly #beats: pg.Client | undefined
  readonly #target: ConnectionTarget
  readonly #signal: AbortSignal
  readonly limitMs: number
  /** Each with the statement that it was asked last. */
  readonly #clients = new Map<pg.Client, Promise<unknown>>()
  readonly #timer: NodeJS.Timeout
  #deadline: NodeJS.Timeout | undefined
  readonly #cancelling = new Map<pg.Client, Promise<void>>()
  #silence: KilnError | undefined

  constructor(
    beats: pg.Client | undefined,
    target: ConnectionTarget,
    signal: AbortSignal,
    limitMs: number,
  ) {
    this.#beats = beats
    this.#target = target
    this.#signal = signal
    this.limitMs = limitMs
    this.#timer = setInterval(() => void this.#beat(), Math.max(10, limitMs / 4))
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  get silence(): KilnError | undefined {
    return this.#silence
  }

  add(client: pg.Client): void {
    this.#clients.set(client, Promise.resolve())
  }

  remove(client: pg.Client): void {
    this.#clients.delete(client)
  }

  asked(client: pg.Client, statement: Promise<unknown>): void {
    this.#clients.set(client, statement)
  }

  async settled(client: pg.Client): Promise<void> {
    await this.#cancelling.get(client)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    clearTimeout(this.#deadline)
    this.#signal.removeEventListener('abort', this.#onAbort)
    if (!this.#beats) return
    const beats = this.#beats
    const timer = setTimeout(() => destroySocket(beats), 1000)
    await beats.end().catch(() => undefined)
    clearTimeout(timer)
  }

  async #beat(): Promise<void> {
    if (!this.#beats || this.#deadline) return
    this.#deadline = setTimeout(() => this.#cut(), this.limitMs)
    // One that was refused was answered: whatever is wrong there, the statements tell themselves.
    await this.#beats.query('select').catch(() => undefined)
    clearTimeout(this.#deadline)
    this.#deadline = undefined
  }

  #cut(): void {
    clearInterval(this.#timer)
    this.#silence = new KilnError(
      'DATABASE_CONNECTION_FAILED',
      `connection failed: ${this.#target.label} has not answered for ${this.limitMs / 1000} s`,
      { hint: 'check the network between here and the server, then try again' },
    )
    for (const client of this.#clients.keys()) destroySocket(client)
    if (this.#beats) destroySocket(this.#beats)
  }

  readonly #onAbort = (): void => {
    const beats = this.#beats
    if (!beats) return
    for (const [client, statement] of this.#clients) {
      const { processID } = client as Identified
      const cancel = (): Promise<unknown> =>
        beats.query('select pg_cancel_backend($1)', [processID]).catch(() => undefined)
      this.#cancelling.set(client, cancelUntilEnded(statement, cancel))
    }
  }
}

/** The driver's own name for it is not in its types. */
type Identified = pg.Client & { readonly processID: number }
