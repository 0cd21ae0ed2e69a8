import type { Context } from '../context.ts'
import {
  type Database,
  databaseError,
  isConnectionLost,
  promptDatabase,
} from '../database/index.ts'
import { delay } from '../os/index.ts'

/** A restart of Postgres takes seconds, a failover half a minute; more is for somebody to know. */
const usualLimitMs = 60_000
/** A look takes milliseconds; a server that leaves it without an answer for so long is away as well. */
const answerLimitMs = 10_000
/** First and longest wait between looks; each is halved or left whole at random. */
const firstDelayMs = 250
const longestDelayMs = 2000

export interface PatienceOptions {
  /** How long the caller waits in all; unless told the database may be away for a minute each time. */
  readonly timeoutMs?: number | undefined
  /** Called when the database goes away, the first time only. */
  readonly onAway?: ((message: string) => void) | undefined
}

/** The same context, whose statements take a server that falls silent for one that is away. */
export function patientContext<Given extends { readonly database: Database }>(given: Given): Given {
  return { ...given, database: promptDatabase(given.database, answerLimitMs) }
}

/** Looks at rows again and again for somebody who waits: a database that is away ends no waiting. */
export class Patience {
  private readonly context: Pick<Context, 'clock' | 'signal' | 'database'>
  private readonly options: PatienceOptions
  private readonly deadline: number | undefined
  private isSaid = false

  constructor(
    context: Pick<Context, 'clock' | 'signal' | 'database'>,
    options: PatienceOptions = {},
  ) {
    this.context = context
    this.options = options
    const { timeoutMs } = options
    if (timeoutMs !== undefined) this.deadline = context.clock.monotonic() + timeoutMs
  }

  /**
   * @param work is repeated, and so must be safe to repeat
   * @throws what the work throws: a lost connection only when the time is over.
   */
  async look<T>(work: () => Promise<T>): Promise<T> {
    const { clock, signal, database } = this.context
    let awaySince: number | undefined
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, longestDelayMs)) {
      try {
        return await work()
      } catch (error) {
        if (!isConnectionLost(error)) throw error
        const now = clock.monotonic()
        awaySince ??= now
        if (now >= (this.deadline ?? awaySince + usualLimitMs)) throw error
        if (!this.isSaid) this.options.onAway?.(databaseError(error, database.target.label).message)
        this.isSaid = true
      }
      await delay(delayMs * (0.5 + Math.random() / 2), signal)
    }
  }
}
