/**
 * What jobs returned: inline in the job row, or a compressed file below the data folder with its
 * checksum. Reading gives the same JSON either way; what is deleted takes its files along.
 */
export { type ResultComparison, compareResults } from './compare-results.ts'
export type { AnalysisBelongings } from './analysis-belongings.ts'
export { type DeletionOutcome, deleteAnalyses, previewDeletion } from './delete-analyses.ts'
export {
  type ExportFormat,
  type ExportOptions,
  type ExportedRows,
  exportFormats,
  exportResult,
} from './export-result.ts'
export { type ResultEntry, type ResultHistory, listResults } from './list-results.ts'
export { readResult, resultFile } from './read-result.ts'
export { type ResultRow, columnsOf, resultRows } from './result-rows.ts'
export {
  type StoredResult,
  discardResult,
  inlineLimitBytes,
  isInline,
  storeResult,
} from './store-result.ts'
