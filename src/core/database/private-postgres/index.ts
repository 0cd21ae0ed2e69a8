/**
 * The private Postgres: a real server that belongs to a data folder, used when DATABASE_URL is
 * unset. Listens on a unix socket only, survives the command that started it, is shared by all,
 * and syncs every commit.
 */
export { ensurePrivatePostgres } from './ensure-private-postgres.ts'
export { type BinarySources, defaultBinarySources, systemBinarySources } from './find-binaries.ts'
export type { PrivatePostgresOptions, PrivatePostgresOverrides } from './options.ts'
export { type PrivatePostgres, socketUrl } from './private-postgres.ts'
export { type PrivatePostgresStatus, privatePostgresStatus } from './private-postgres-status.ts'
export { type StopPrivatePostgresOptions, stopPrivatePostgres } from './stop-private-postgres.ts'
