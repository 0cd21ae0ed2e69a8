/**
 * Datasources: the named data that scripts may query, how their secrets are kept, and the queries
 * themselves. Secrets leave this module only as the connection of a query.
 */
export { type AddDatasourceInput, type DatasourceSource, addDatasource } from './add-datasource.ts'
export {
  type Datasource,
  type DatasourceConfig,
  type DatasourceType,
  type PostgresPlace,
  type ResolvedDatasource,
  datasourceTypes,
  fileFormats,
} from './datasource.ts'
export { describePlace } from './describe-place.ts'
export { getDatasource, listDatasources } from './datasource-rows.ts'
export { type LoadIntoDuckdb, loadIntoDuckdb } from './load-into-duckdb.ts'
export {
  type PostgresDatasource,
  type PostgresDatasourceOptions,
  openPostgresDatasource,
} from './postgres/index.ts'
export { removeDatasource } from './remove-datasource.ts'
export { resolveDatasource } from './resolve-datasource.ts'
export { additionalKeyFileOf, hasSecretKey, keyFileOf } from './secret-key.ts'
export { type DatasourceReport, testDatasource } from './test-datasource.ts'
