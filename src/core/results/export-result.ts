import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import type { Job } from '../jobs/index.ts'
import { readResult } from './read-result.ts'
import { resultRows } from './result-rows.ts'
import { rowsAsCsv, rowsAsJson, rowsAsJsonLines } from './rows-as-text.ts'

export const exportFormats = ['csv', 'json', 'jsonl', 'parquet'] as const
export type ExportFormat = (typeof exportFormats)[number]

export interface ExportOptions {
  readonly format: ExportFormat
  /** CSV without apostrophes in front of what a spreadsheet would run as a formula. */
  readonly isRaw: boolean
}

export interface ExportedRows {
  readonly content: string | Uint8Array
  readonly rowCount: number
  /** Above `rowCount` when MAX_EXPORT_ROWS cut the rest off. */
  readonly totalRowCount: number
}

/**
 * The rows of a job's result in a format that other programs read, at most MAX_EXPORT_ROWS of them.
 *
 * @throws KilnError RESULT_NOT_ROWS for a result that is no table, and what `readResult` throws.
 */
export async function exportResult(
  context: Pick<Context, 'database' | 'settings' | 'signal'>,
  job: Job,
  { format, isRaw }: ExportOptions,
): Promise<ExportedRows> {
  const all = resultRows(JSON.parse(await readResult(context, job)))
  if (!all) {
    throw new KilnError('RESULT_NOT_ROWS', `the result of job ${job.id} is no table`, {
      hint: 'leave --format out to have it as JSON; a table is { rows: [ { … }, … ] }',
    })
  }
  const rows = all.slice(0, context.settings.maxExportRows)
  const counts = { rowCount: rows.length, totalRowCount: all.length }
  switch (format) {
    case 'csv':
      return { content: rowsAsCsv(rows, { isRaw }), ...counts }
    case 'json':
      return { content: rowsAsJson(rows), ...counts }
    case 'jsonl':
      return { content: rowsAsJsonLines(rows), ...counts }
    case 'parquet': {
      // Loaded when needed: the other formats have no use for DuckDB.
      const { rowsAsParquet } = await import('./rows-as-parquet.ts')
      return { content: await rowsAsParquet(rows, context.signal), ...counts }
    }
  }
}
