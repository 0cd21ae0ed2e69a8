import type { ResultEntry, ResultHistory } from '../../core/results/index.ts'
import { formatDuration, formatSize } from '../../core/units/index.ts'
import type { Json, JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

/** Results of an analysis as a list; `-o name` gives the ids of their jobs. */
export function resultHistory({ results, nextCursor }: ResultHistory): ListOutput {
  return {
    kind: 'list',
    items: results.map(entryJson),
    columns: [
      field('job', 'job_id'),
      { header: 'completed', text: (item) => age(item.completed_at) },
      field('version', 'version_number'),
      { header: 'took', text: (item) => text(item.execution_time_ms, formatDuration) },
      { header: 'size', text: (item) => text(item.size_bytes, formatSize) },
      field('storage', 'storage'),
      field('parameters', 'parameters'),
      field('triggered by', 'triggered_by', true),
      field('completed at', 'completed_at', true),
      field('data folder', 'data_folder_id', true),
    ],
    nextCursor,
    name: (item) => plainText(item.job_id),
    empty: 'no results',
  }
}

function entryJson(entry: ResultEntry): JsonObject {
  return {
    job_id: entry.jobId,
    version_number: entry.versionNumber,
    parameters: entry.parameters as Json,
    triggered_by: entry.triggeredBy,
    created_at: entry.createdAt,
    completed_at: entry.completedAt,
    execution_time_ms: entry.executionTimeMs,
    storage: entry.storage,
    size_bytes: entry.sizeBytes,
    row_count: entry.rowCount,
    data_folder_id: entry.dataFolderId,
  }
}

const text = (value: Json | undefined, format: (value: number) => string): string =>
  typeof value === 'number' ? format(value) : ''
