import pg from 'pg'
import { type Database, tcpKeepalive } from '../database/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'

/** "kilt" in ASCII: the locks of tasks, beside those of the schema. */
const lockClass = 0x6b696c74

/**
 * The right to run the task of one schedule, held by a connection of its own for as long as that
 * lives. In a transaction, so that a pooler in transaction mode keeps the connection with it; one that
 * has read nothing holds no snapshot, so vacuum goes on.
 */
export class TaskLock {
  private readonly client: pg.Client
  private readonly loss = new AbortController()

  private constructor(client: pg.Client) {
    this.client = client
    const lost = (why: string): void =>
      this.loss.abort(
        new KilnError('DATABASE_CONNECTION_FAILED', `the lock of the task was lost: ${why}`, {
          hint: 'see why the database ended the connection; the task is run again',
        }),
      )
    client.on('error', (error) => lost(messageOf(error)))
    client.on('end', () => lost('the connection ended'))
  }

  /** Aborted when the lock was lost with its connection: another instance may have it. */
  get lost(): AbortSignal {
    return this.loss.signal
  }

  /** Undefined when somebody runs the task. */
  static async tryAcquire(
    { target }: Pick<Database, 'target'>,
    scheduleId: string,
  ): Promise<TaskLock | undefined> {
    const client = new pg.Client({
      ...target.config,
      application_name: 'kiln task lock',
      connectionTimeoutMillis: 5000,
      ...tcpKeepalive,
    })
    const lock = new TaskLock(client)
    try {
      await client.connect()
      await client.query('begin isolation level read committed, read only')
      await client.query('set local idle_in_transaction_session_timeout = 0')
      const { rows } = await client.query<{ taken: boolean }>(
        'select pg_try_advisory_xact_lock($1, hashtext($2)) as taken',
        [lockClass, scheduleId],
      )
      if (rows[0]?.taken) return lock
    } catch (error) {
      await lock.release()
      throw error
    }
    await lock.release()
    return undefined
  }

  async release(): Promise<void> {
    // The lock ends with the connection, however that ends.
    await this.client.end().catch(() => undefined)
  }
}
