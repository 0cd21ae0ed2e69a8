import type pg from 'pg'
import type { ConnectionTarget } from '../../database/index.ts'
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
  /** Waits until nothing that was cancelled can hit a statement that puts things in order. */
  settled(): Promise<void>
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
  readonly #clients = new Set<pg.Client>()
  readonly #timer: NodeJS.Timeout
  #deadline: NodeJS.Timeout | undefined
  #cancelling: Promise<unknown> = Promise.resolve()
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
    this.#clients.add(client)
  }

  remove(client: pg.Client): void {
    this.#clients.delete(client)
  }

  async settled(): Promise<void> {
    await this.#cancelling
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
    for (const client of this.#clients) destroySocket(client)
    if (this.#beats) destroySocket(this.#beats)
  }

  readonly #onAbort = (): void => {
    const pids = [...this.#clients].map((client) => (client as Identified).processID)
    this.#cancelling = Promise.resolve(
      this.#beats?.query('select pg_cancel_backend(pid) from unnest($1::integer[]) pid', [pids]),
    ).catch(() => undefined)
  }
}

/** The driver's own name for it is not in its types. */
type Identified = pg.Client & { readonly processID: number }
