import type {
  DroppedOld,
  KeptDatabases,
  RestoreRecord,
  UndoneRestore,
} from '../../core/restore/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { Json, ListOutput, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { keptDatabasesItem } from './restored-databases.ts'

export function undoneRecord(undone: UndoneRestore): RecordOutput {
  const { id, source, outcome } = undone
  return {
    kind: 'record',
    record: { status: 'rolled_back', id, source, outcome },
    name: id,
    fields: [
      ['rolled back', id],
      ['source', source],
      [
        'now',
        outcome === 'undone'
          ? 'the tables of before the restore are live again'
          : 'what it had begun is gone; the live tables were never touched',
      ],
    ],
  }
}

export function releasedRecord(count: number): RecordOutput {
  return {
    kind: 'record',
    record: { status: 'released', released_jobs: count },
    name: String(count),
    fields: [['jobs released', String(count)]],
  }
}

export function finishedRecord(record: RestoreRecord, database: string): RecordOutput {
  const { id, source } = record
  return {
    kind: 'record',
    record: { status: 'restored', id, source, database, outcome: 'finished' },
    name: id,
    fields: [
      ['restored', source],
      ['into database', database],
      ['pending jobs', 'wait; let them run: kiln restore postgres --release'],
    ],
  }
}

export function droppedOldList(
  dropped: readonly DroppedOld[],
  databases: readonly KeptDatabases[],
  isDryRun: boolean,
): ListOutput {
  return {
    kind: 'list',
    items: [
      ...dropped.map(({ id, schema, sizeBytes }) => ({
        id,
        schema,
        projects: null,
        size_bytes: sizeBytes,
        status: isDryRun ? 'would_drop' : 'dropped',
      })),
      ...databases.map((kept) => keptDatabasesItem(kept, isDryRun)),
    ],
    columns: [
      field('RESTORE', 'id'),
      {
        header: 'KEPT',
        text: (item) =>
          item.schema === null
            ? `databases of ${plainList(item.projects)}`
            : plainText(item.schema),
      },
      { header: 'SIZE', text: (item) => size(item.size_bytes) },
      field('STATUS', 'status'),
    ],
    name: (item) => plainText(item.schema ?? item.id),
    empty: 'nothing of earlier restores is kept',
  }
}

const plainList = (value: Json | undefined): string =>
  Array.isArray(value) ? value.map((one) => plainText(one as Json)).join(', ') : ''

const size = (bytes: Json | undefined): string =>
  typeof bytes === 'number' ? formatSize(bytes) : '-'
