import { type ErrorCode, KilnError, errorCodeOf, messageOf } from '../errors/index.ts'

/** Which coded error an error of the driver or the server is, and how to mend it. */
const known: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ECONNREFUSED: ['DATABASE_CONNECTION_FAILED', 'check that Postgres runs there, and host and port'],
  ECONNRESET: ['DATABASE_CONNECTION_FAILED', 'check that Postgres runs, then try again'],
  EPIPE: ['DATABASE_CONNECTION_FAILED', 'check that Postgres runs, then try again'],
  ENOTFOUND: ['DATABASE_CONNECTION_FAILED', 'check the host name in DATABASE_URL'],
  EAI_AGAIN: ['DATABASE_CONNECTION_FAILED', 'check the host name in DATABASE_URL and the resolver'],
  ETIMEDOUT: ['DATABASE_CONNECTION_FAILED', 'check host, port and firewall'],
  EHOSTUNREACH: ['DATABASE_CONNECTION_FAILED', 'check host, port and firewall'],
  ENETUNREACH: ['DATABASE_CONNECTION_FAILED', 'check host, port and firewall'],
  ENOENT: [
    'DATABASE_CONNECTION_FAILED',
    'check the socket folder; kiln db start starts the private Postgres',
  ],
  '08000': ['DATABASE_CONNECTION_FAILED', 'check that Postgres runs, then try again'],
  '08001': ['DATABASE_CONNECTION_FAILED', 'check that Postgres runs there, and host and port'],
  '08003': ['DATABASE_CONNECTION_FAILED', 'check that Postgres runs, then try again'],
  '08004': ['DATABASE_CONNECTION_FAILED', 'the server refuses connections: check its log'],
  '08006': ['DATABASE_CONNECTION_FAILED', 'check that Postgres runs, then try again'],
  '57P01': ['DATABASE_CONNECTION_FAILED', 'the server is stopping: try again when it is back'],
  '57P02': ['DATABASE_CONNECTION_FAILED', 'the server is recovering: try again when it is back'],
  '57P03': ['DATABASE_BUSY', 'the server is starting or recovering: try again in a moment'],
  '53300': ['DATABASE_BUSY', 'raise max_connections or use fewer executors'],
  '28P01': ['DATABASE_AUTHENTICATION_FAILED', 'check user and password in DATABASE_URL'],
  '28000': ['DATABASE_AUTHENTICATION_FAILED', 'check user and pg_hba.conf'],
  '3D000': ['DATABASE_NOT_FOUND', 'create the database, or correct its name in DATABASE_URL'],
  '42501': ['PERMISSION_DENIED', 'grant the privilege to this role'],
  '25006': ['PERMISSION_DENIED', 'the server is read only: use the primary in DATABASE_URL'],
  '53100': ['DISK_FULL', "free space on the database server's device"],
  '55P03': ['LOCK_TIMEOUT', 'another session holds the lock: try again'],
  '40P01': ['LOCK_TIMEOUT', 'sessions waited for each other, and the server ended one: try again'],
  '40001': ['LOCK_TIMEOUT', 'another session changed the same rows: try again'],
  '42P01': ['SCHEMA_MISSING', 'run: kiln migrate'],
  '42703': ['SCHEMA_OUTDATED', 'run: kiln migrate'],
}

/** Texts by which the driver reports a lost or refused connection without a code. */
const connectionTexts =
  /Connection terminated|timeout expired|Query read timeout|Client has encountered a connection error|timeout exceeded when trying to connect|server does not support SSL|Client was closed/

/**
 * Turns any error of a database call into a coded one; errors that are coded already pass through.
 * Never carries a password: the driver's messages have none, and the URL is not quoted.
 */
export function databaseError(error: unknown, target = 'the database'): KilnError {
  if (error instanceof KilnError) return error
  const code = errorCodeOf(unwrap(error))
  const message = messageOf(unwrap(error))
  const entry =
    (code === undefined ? undefined : known[code]) ??
    (connectionTexts.test(message) || isOfPooler(unwrap(error)) ? known.ECONNRESET : undefined)
  if (!entry) {
    return new KilnError('DATABASE_ERROR', `database error: ${message}`, {
      cause: error,
      ...(code === undefined ? {} : { details: { sqlstate: code } }),
    })
  }
  const [kilnCode, hint] = entry
  const what =
    kilnCode === 'DATABASE_CONNECTION_FAILED'
      ? `connection failed: ${target} is not reachable (${message})`
      : kilnCode === 'SCHEMA_MISSING'
        ? `${target} has not been migrated (${message})`
        : `database error: ${message}`
  return new KilnError(kilnCode, what, { cause: error, hint })
}

/** True for an error of the driver or of the server, as opposed to a defect of ours. */
export function isDatabaseError(error: unknown): boolean {
  const inner = unwrap(error)
  if (!(inner instanceof Error)) return false
  const code = errorCodeOf(inner)
  return code === undefined
    ? connectionTexts.test(inner.message)
    : code in known || /^[0-9A-Z]{5}$/.test(code)
}

/** PgBouncer ends a client with a violation of the protocol when it gets no server for it. */
const isOfPooler = (error: unknown): boolean =>
  errorCodeOf(error) === '08P01' && (error as { severity?: unknown }).severity === 'FATAL'

/** Errors that the next try may not meet: conflicts between sessions, limits, a full disk. */
const passing = new Set(['40001', '40P01', '55P03', '57014', '53100', '53200', '53400'])

/** True for an error of the server that has to do with the moment, not with the statement. */
export function isPassing(error: unknown): boolean {
  return passing.has(errorCodeOf(unwrap(error)) ?? '')
}

/** Read only after a failover, credentials or the database gone, no space: it takes no statement. */
const closed = new Set(['25006', '28000', '28P01', '3D000', '53100'])

/** True while the server cannot be reached or takes no change, whatever the statement says. */
export function isServerAway(error: unknown): boolean {
  return isConnectionLost(error) || closed.has(errorCodeOf(unwrap(error)) ?? '')
}

/** Classes of errors in a value, or against a rule that it breaks: also a trigger's own. */
const refusals = new Set(['21', '22', '23', '44', '54', 'P0', 'XX'])

/**
 * True when it is the values of the statement that the server does not take, now or ever: not the
 * moment, nor what people can mend without them.
 */
export function isRefusal(error: unknown): boolean {
  const code = errorCodeOf(unwrap(error)) ?? ''
  return code.length === 5 && refusals.has(code.slice(0, 2))
}

/** True when the server ended one of the sessions that were in each other's way. */
export function isConflict(error: unknown): boolean {
  const code = errorCodeOf(unwrap(error))
  return code === '40P01' || code === '40001'
}

/** True when a statement gave up waiting for a lock that another session holds. */
export function isLockTimeout(error: unknown): boolean {
  return errorCodeOf(unwrap(error)) === '55P03'
}

/** True for an error after which the same statement may succeed on a new connection. */
export function isConnectionLost(error: unknown): boolean {
  const kiln = databaseError(error)
  return kiln.code === 'DATABASE_CONNECTION_FAILED' || kiln.code === 'DATABASE_BUSY'
}

/** Connecting to a name with several addresses fails with one error per address. */
function unwrap(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
}
