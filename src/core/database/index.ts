/**
 * Postgres: where it is, a pool over it, and what its errors mean. `DATABASE_URL` names a server;
 * without it a private one runs in the data folder. All state of Kiln lives there.
 */
export { float8Array, int8Array, textArray, uuidArray } from './binary-array.ts'
export { cancelUntilEnded } from './cancel-until-ended.ts'
export {
  type ConnectionTarget,
  parseDatabaseUrl,
  resolveTarget,
  tcpKeepalive,
} from './connection-target.ts'
export { type Database, type OpenDatabaseOptions, type Queries, openDatabase } from './database.ts'
export {
  databaseError,
  isConnectionLost,
  isDatabaseError,
  isLockTimeout,
  isPassing,
  isRefusal,
  isServerAway,
} from './database-errors.ts'
export { isJsonbText } from './is-jsonb-text.ts'
export { Listener, type ListenerOptions } from './listener.ts'
export {
  type PrivatePostgres,
  type PrivatePostgresOptions,
  type PrivatePostgresStatus,
  ensurePrivatePostgres,
  privatePostgresStatus,
  stopPrivatePostgres,
} from './private-postgres/index.ts'
export { type PreparedStatement, prepare, runPrepared } from './prepared-statement.ts'
export { promptDatabase, promptQueries } from './prompt-queries.ts'
export type { DB } from './schema.generated.ts'
export { repeatOnConflict, repeatedTransaction } from './repeat-on-conflict.ts'
export { typeParsers } from './type-parsers.ts'
