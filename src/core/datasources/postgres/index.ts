/** Queries to a Postgres datasource: read only, one statement a call, bounded, cancellable. */
export type { CsvCopy, PostgresDatasource, PostgresDatasourceOptions } from './contract.ts'
