import type { DumpPlan, RestoredDump } from '../../core/restore/index.ts'
import type { JsonObject, RecordOutput } from '../output/output.ts'
import {
  type RestoreSubject,
  dependentFields,
  dependentsJson,
  methodText,
  restoredFields,
  restoredJson,
  rowsJson,
  tableFields,
  totalRows,
} from './restored-tables.ts'

/** What a dump's file held beside the rows. */
const dumpJson = (dump: DumpPlan | RestoredDump): JsonObject => ({
  format: dump.format,
  skipped_statements: dump.skippedStatements,
  skipped_commands: dump.skippedCommands,
  skipped_tables: rowsJson(dump.skippedTables),
})

export function dumpPlanRecord(plan: DumpPlan, { source, database }: RestoreSubject): RecordOutput {
  const record: JsonObject = {
    status: 'planned',
    source,
    database,
    method: plan.method,
    rows: totalRows(plan.tables),
    tables: rowsJson(plan.tables),
    kept_tables: rowsJson(plan.kept),
    created_projects: plan.settled.projects,
    dependents: dependentsJson(plan.dependents),
    ...dumpJson(plan),
  }
  return {
    kind: 'record',
    record,
    name: source,
    fields: [
      ['would restore', source],
      ['into database', database],
      ['how', methodText(plan.method)],
      ...tableFields(plan.tables),
      ...dumpFields(plan),
      ...dependentFields(plan.dependents),
    ],
  }
}

export function restoredDumpRecord(
  restored: RestoredDump,
  { source, database }: RestoreSubject,
): RecordOutput {
  return {
    kind: 'record',
    record: { ...restoredJson(restored, { source, database }), ...dumpJson(restored) },
    name: restored.id,
    fields: [
      ...restoredFields(restored, { source, database }),
      ...dumpFields(restored),
      ...dependentFields(restored.dependents),
    ],
  }
}

const dumpFields = (dump: DumpPlan | RestoredDump): (readonly [string, string])[] => [
  ['left out', `${dump.skippedStatements} statements, ${dump.skippedCommands} psql commands`],
  ...dump.skippedTables
    .filter(({ rows }) => rows > 0)
    .map(({ name, rows }) => [`  ${name}`, `${rows} rows, which no restore takes`] as const),
]
