/** Stands between a client and Postgres, and does what networks and poolers do. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import pg from 'pg'
import { type Database, openDatabase } from '../../src/core/database/index.ts'

export interface PostgresProxy {
  /** The same user and database, through the proxy. */
  readonly connectionString: string
  /** Connections made through it so far. */
  readonly connectionCount: number
  /** Questions answered through it so far; a login counts as one. */
  readonly answerCount: number
  /** No notification reaches a client, as behind a pooler that shares sessions by transaction. */
  dropNotifications: boolean
  /** Nothing passes either way while connections stay open, as when a host vanishes from the net. */
  freeze(): void
  /** The same once so many questions have been answered: the first answer of a session is its login. */
  freezeAfterAnswers(count: number): void
  thaw(): void
  /** Freezes the connections of now for ever; new ones work, as after a failover. */
  abandon(): void
  /**
   * The server does the next statement whose text or name holds this and that gives rows; its answer
   * never arrives, and the connection breaks. Resolves when it has.
   */
  loseAnswer(statement: string): Promise<void>
  close(): Promise<void>
}

/** A database as Kiln opens it, reached through a proxy; the caller closes both. */
export async function openThroughProxy(
  connectionString: string,
  poolSize = 5,
): Promise<{ readonly proxy: PostgresProxy; readonly database: Database }> {
  const proxy = await startPostgresProxy(connectionString)
  const database = openDatabase({
    target: {
      config: { connectionString: proxy.connectionString },
      label: 'the proxy',
      isPrivate: false,
    },
    applicationName: 'kiln test',
    poolSize,
  })
  return { proxy, database }
}

/** Listens on a free port of this machine, for clients that do not ask for TLS. */
export async function startPostgresProxy(connectionString: string): Promise<PostgresProxy> {
  const { host, port, user, password, database } = new pg.Client({ connectionString })
  const sockets = new Set<Socket>()
  const abandoned = new WeakSet<Socket>()
  let connectionCount = 0
  let answerCount = 0
  let isFrozen = false
  let answersLeft = Number.POSITIVE_INFINITY
  let losing: { readonly statement: string; readonly isLost: () => void } | undefined
  const state = { dropNotifications: false }
  const freeze = (): void => {
    isFrozen = true
    for (const socket of sockets) socket.pause()
  }

  const server = createServer((client) => {
    connectionCount += 1
    const upstream = host.startsWith('/')
      ? connect(`${host}/.s.PGSQL.${port}`)
      : connect(port, host)
    /** The answer to the statement that `loseAnswer` named, as far as it has come. */
    let held: Buffer[] | undefined
    let hasRows = false
    let isComplete = false
    const frames = new FrameFilter((type) => {
      hasRows ||= type === 'D'
      // ReadyForQuery ends each answer.
      isComplete = type === 'Z'
      if (isComplete) {
        answerCount += 1
        answersLeft -= 1
        if (answersLeft === 0) freeze()
      }
      return !(type === 'A' && state.dropNotifications)
    })
    client.on('data', (data: Buffer) => {
      if (losing && data.includes(losing.statement)) [held, hasRows] = [[], false]
      upstream.write(data)
    })
    upstream.on('data', (data: Buffer) => {
      const passed = frames.pass(data)
      if (!held) {
        client.write(passed)
        return
      }
      held.push(passed)
      if (!isComplete) return
      if (hasRows && losing) {
        losing.isLost()
        losing = undefined
        client.destroy()
        return
      }
      client.write(Buffer.concat(held))
      held = undefined
    })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      // The other side learns it as a lost connection; that is all there is to say.
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      if (isFrozen) socket.pause()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo

  const login = [user, password].map((part) => encodeURIComponent(part ?? '')).join(':')
  return {
    connectionString: `postgresql://${login}@127.0.0.1:${address.port}/${database}`,
    get connectionCount() {
      return connectionCount
    },
    get answerCount() {
      return answerCount
    },
    get dropNotifications() {
      return state.dropNotifications
    },
    set dropNotifications(value) {
      state.dropNotifications = value
    },
    freeze,
    freezeAfterAnswers(count) {
      answersLeft = count
    },
    thaw() {
      isFrozen = false
      for (const socket of sockets) if (!abandoned.has(socket)) socket.resume()
    },
    abandon() {
      for (const socket of sockets) {
        socket.pause()
        abandoned.add(socket)
      }
    },
    loseAnswer(statement) {
      return new Promise((resolve) => {
        losing = { statement, isLost: resolve }
      })
    },
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

/** Cuts what a server sends into its messages: a letter, a length, a body. */
class FrameFilter {
  private rest = Buffer.alloc(0)
  private readonly isWanted: (type: string) => boolean

  constructor(isWanted: (type: string) => boolean) {
    this.isWanted = isWanted
  }

  /** The wanted ones of the messages that are complete by now. */
  pass(data: Buffer): Buffer {
    this.rest = Buffer.concat([this.rest, data])
    const wanted: Buffer[] = []
    while (this.rest.length >= 5) {
      const length = 1 + this.rest.readUInt32BE(1)
      if (this.rest.length < length) break
      const message = this.rest.subarray(0, length)
      this.rest = this.rest.subarray(length)
      if (this.isWanted(String.fromCharCode(message[0] ?? 0))) wanted.push(message)
    }
    return Buffer.concat(wanted)
  }
}
