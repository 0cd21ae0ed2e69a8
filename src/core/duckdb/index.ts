/**
 * DuckDB, and the only importer of its client: one instance in one process for one job, behind
 * pipes. The process holds no secret, sees no file but those of its job, and is killed when the
 * job ends. SQL given to it is hostile; its answers are bounded.
 */
export type {
  AttachedDatabase,
  ColumnInfo,
  CsvColumn,
  CsvLoad,
  CsvPart,
  DuckdbProcess,
  DuckdbProcessOptions,
  DuckdbRowOptions,
  FileFormat,
  FileView,
  RowOptions,
  RowStream,
  TableInfo,
} from './contract.ts'
export { DuckdbSpare, startDuckdbProcess } from './start-duckdb-process.ts'
