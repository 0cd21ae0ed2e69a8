/**
 * DuckDB, and the only importer of its client: one instance in one process for one job, behind
 * pipes. The process holds no secret, sees no file but those of its job, and is killed when the
 * job ends. SQL given to it is hostile; its answers are bounded.
 */
export type {
  AttachedDatabase,
  ColumnInfo,
  CommitMarker,
  CsvColumn,
  CsvLoad,
  CsvPart,
  DatabaseFingerprint,
  DatabaseSizes,
  DuckdbProcess,
  DuckdbProcessOptions,
  DuckdbRowOptions,
  FileFormat,
  FileView,
  ProjectDatabase,
  RowOptions,
  RowStream,
  TableInfo,
  TableSize,
} from './contract.ts'
export { isDatabaseLocked } from './is-database-locked.ts'
export { DuckdbSpare, startDuckdbProcess } from './start-duckdb-process.ts'
