import type { Duplex } from 'node:stream'
import pg from 'pg'
import { KilnError, messageOf } from '../../errors/index.ts'
import type { PostgresDatasourceOptions } from './contract.ts'
import { terminateMessage } from './messages.ts'
import { Wire } from './wire.ts'

/** A row larger than this does not fit an answer either; the connection ends instead of taking it. */
const maxMessageBytes = 48 * 1024 * 1024
const defaultConnectTimeoutMs = 5000
/** How long telling the server to stop may take; the socket is closed then in any case. */
const cancelTimeoutMs = 800

/** One authenticated connection. */
export interface Link {
  readonly wire: Wire
  /** Nothing bounds what a statement spills to the server's disk, and this role may change that. */
  readonly mayFillDisk: boolean
  /** Asks the server to stop what runs, then closes the connection; resolves when that is done. */
  cancel(): Promise<void>
  /** Closes the connection in good order. */
  end(): void
}

/** A setting of the session, as the server tells it by itself. */
interface ParameterStatus {
  readonly parameterName: string
  readonly parameterValue: string
}

/** The parts of pg's client that stand behind its public face. */
interface ClientInside {
  readonly connection: {
    readonly stream: Duplex
    readonly ssl: unknown
    connect(portOrPath: number | string, host?: string): void
    requestSsl(): void
    on(event: string, listener: (error?: Error) => void): void
    on(event: 'parameterStatus', listener: (status: ParameterStatus) => void): void
  }
  readonly processID: number
  readonly secretKey: number
}

/**
 * Connects and authenticates with pg, then takes the socket over.
 *
 * @throws KilnError DATASOURCE_UNAVAILABLE with the driver's or the server's reason.
 */
export async function connect(options: PostgresDatasourceOptions): Promise<Link> {
  const client = newClient(options)
  // A connection lost later is reported by the socket; pg's own event would end the process.
  client.on('error', () => undefined)
  const inside = client as unknown as ClientInside
  let isSuperuser = false
  inside.connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
    if (parameterName === 'is_superuser') isSuperuser = parameterValue === 'on'
  })
  let mayFillDisk: boolean
  try {
    await client.connect()
    // Only a superuser may set the limit; others have what the operator has given to their role.
    mayFillDisk = isSuperuser && (await hasNoTempLimit(client))
  } catch (error) {
    throw unavailable(options, client, error)
  }
  const wire = new Wire(inside.connection.stream, maxMessageBytes)
  return {
    wire,
    mayFillDisk,
    cancel: async () => {
      await sendCancel(options, inside).catch(() => undefined)
      wire.fail(new KilnError('DATASOURCE_ERROR', 'the query was cancelled'))
    },
    end: () => {
      if (wire.isOpen) wire.send(terminateMessage())
      inside.connection.stream.end()
      wire.fail(new KilnError('DATASOURCE_ERROR', 'the datasource is closed'))
    },
  }
}

async function hasNoTempLimit(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ limit: string }>(
    `select current_setting('temp_file_limit') as limit`,
  )
  return rows[0]?.limit === '-1'
}

function newClient(options: PostgresDatasourceOptions): pg.Client {
  const { connection, applicationName, connectTimeoutMs = defaultConnectTimeoutMs } = options
  try {
    return new pg.Client({
      ...(typeof connection === 'string'
        ? { connectionString: connection.replace(/^postgres(?:ql)?\+\w+:/, 'postgresql:') }
        : connection),
      application_name: applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    })
  } catch {
    // The parser's message may quote the URL.
    throw new KilnError('DATASOURCE_INVALID', `${options.label} has a URL that cannot be read`, {
      hint: 'write it as postgresql://user:password@host:5432/database',
    })
  }
}

function unavailable(
  options: PostgresDatasourceOptions,
  client: pg.Client,
  error: unknown,
): KilnError {
  const first = error instanceof AggregateError ? error.errors[0] : error
  const { password } = client
  const reason = messageOf(first)
  const text = password ? reason.replaceAll(password, '***') : reason
  return new KilnError('DATASOURCE_UNAVAILABLE', `connection failed: ${options.label}: ${text}`, {
    hint: 'check that the server runs, and host, port, user and password of the datasource',
  })
}

/**
 * The protocol's cancel request, on a connection of its own; works through poolers too, which a
 * call of pg_cancel_backend by number does not.
 */
function sendCancel(options: PostgresDatasourceOptions, target: ClientInside): Promise<void> {
  const client = newClient(options)
  const { connection } = client as unknown as ClientInside
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(80_877_102, 4)
  request.writeInt32BE(target.processID, 8)
  request.writeInt32BE(target.secretKey, 12)
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      connection.stream.destroy()
      resolve()
    }
    const timer = setTimeout(done, cancelTimeoutMs)
    // The server closes the connection when it has passed the request on.
    const send = (): void => void connection.stream.write(request)
    connection.on('connect', () => (connection.ssl ? connection.requestSsl() : send()))
    connection.on('sslconnect', send)
    connection.on('error', done)
    connection.on('end', done)
    if (client.host.startsWith('/')) connection.connect(`${client.host}/.s.PGSQL.${client.port}`)
    else connection.connect(client.port, client.host)
  })
}
