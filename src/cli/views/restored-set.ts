import type { RestoredSet, SetPlan } from '../../core/restore/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { RecordOutput } from '../output/output.ts'
import {
  addedFields,
  addedJson,
  dependentFields,
  dependentsJson,
  methodText,
  restoredFields,
  restoredJson,
  rowsJson,
  tableFields,
  totalRows,
} from './restored-tables.ts'

export function setPlanRecord(plan: SetPlan, database: string): RecordOutput {
  return {
    kind: 'record',
    record: {
      status: 'planned',
      source: plan.setId,
      database,
      method: plan.method,
      rows: totalRows(plan.tables),
      tables: rowsJson(plan.tables),
      results: plan.results,
      has_datasource_key: plan.hasKey,
      migrations: [...plan.migrated],
      added_columns: addedJson(plan.added),
      dependents: dependentsJson(plan.dependents),
    },
    name: plan.setId,
    fields: [
      ['would restore', plan.setId],
      ['into database', database],
      ['how', methodText(plan.method)],
      ...tableFields(plan.tables),
      ['stored results', String(plan.results)],
      ['datasource key', plan.hasKey ? 'in it' : 'not in it'],
      ...migrationFields(plan.migrated),
      ...addedFields(plan.added),
      ...dependentFields(plan.dependents),
    ],
  }
}

export function restoredSetRecord(restored: RestoredSet, database: string): RecordOutput {
  const subject = { source: restored.setId, database }
  return {
    kind: 'record',
    record: {
      ...restoredJson(restored, subject),
      results: restored.results,
      result_bytes: restored.resultBytes,
      missing_keys: [...restored.missingKeys],
      migrations: [...restored.migrated],
      added_columns: addedJson(restored.added),
      duration_ms: Math.round(restored.durationMs),
    },
    name: restored.id,
    fields: [
      ...restoredFields(restored, subject),
      ['stored results', `${restored.results}, ${formatSize(restored.resultBytes)}`],
      ...migrationFields(restored.migrated),
      ...addedFields(restored.added),
      ...dependentFields(restored.dependents),
    ],
  }
}

const migrationFields = (versions: readonly string[]): (readonly [string, string])[] =>
  versions.length > 0 ? [['carried through migrations', versions.join(', ')]] : []
