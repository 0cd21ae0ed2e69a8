import type { ExportFormat, ExportedRows } from '../../core/results/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { RecordOutput } from '../output/output.ts'

/** What was written into a file. */
export function exportOutput(
  jobId: string,
  format: ExportFormat,
  file: string,
  { content, rowCount, totalRowCount }: ExportedRows,
): RecordOutput {
  const sizeBytes = typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength
  return {
    kind: 'record',
    record: {
      job_id: jobId,
      format,
      file,
      rows: rowCount,
      total_rows: totalRowCount,
      truncated: rowCount < totalRowCount,
      size_bytes: sizeBytes,
    },
    text: `wrote ${rowCount} ${rowCount === 1 ? 'row' : 'rows'} (${formatSize(sizeBytes)}) to ${file}`,
    name: file,
  }
}
