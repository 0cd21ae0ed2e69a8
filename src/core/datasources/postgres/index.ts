/**
 * Queries to a Postgres datasource: read only, one statement a call, bound parameters, bounded
 * answers, cancelled on the server. pg connects; the statements go over its socket by Kiln's own
 * few messages, so that no answer of a server can end the process.
 */
export type { PostgresDatasource, PostgresDatasourceOptions } from './contract.ts'
export { openPostgresDatasource } from './open-postgres-datasource.ts'
