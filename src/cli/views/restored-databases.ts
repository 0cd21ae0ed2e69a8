import type {
  DatabasesPlan,
  KeptDatabases,
  RestoredDatabases,
  SettledDatabases,
} from '../../core/restore/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { Json, JsonObject, ListOutput, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

const size = (value: Json | undefined): string =>
  typeof value === 'number' ? formatSize(value) : '-'
const sizeColumn = (header: string, key: string) => ({
  header,
  text: (item: JsonObject) => size(item[key]),
})

export function databasesPlanList(plan: DatabasesPlan, source: string): ListOutput {
  return {
    kind: 'list',
    items: plan.databases.map((database) => ({
      project_id: database.projectId,
      size_bytes: database.sizeBytes,
      rows: database.rows,
      replaces_bytes: database.replacesBytes,
      status: 'planned',
    })),
    columns: [
      field('PROJECT', 'project_id'),
      sizeColumn('SIZE', 'size_bytes'),
      field('ROWS', 'rows'),
      sizeColumn('REPLACES', 'replaces_bytes'),
      field('STATUS', 'status'),
    ],
    summary: { source, skipped_entries: plan.skippedEntries },
    name: (item) => plainText(item.project_id),
    empty: `${source} has no databases`,
  }
}

export function restoredDatabasesList(restored: RestoredDatabases): ListOutput {
  const { id, source, databases, skippedEntries, rehomed } = restored
  return {
    kind: 'list',
    items: databases.map((database) => ({
      project_id: database.projectId,
      size_bytes: database.sizeBytes,
      tables: database.tables,
      rows: database.rows,
      status: 'restored',
    })),
    columns: [
      field('PROJECT', 'project_id'),
      sizeColumn('SIZE', 'size_bytes'),
      field('TABLES', 'tables'),
      field('ROWS', 'rows'),
      field('STATUS', 'status'),
    ],
    summary: { id, source, skipped_entries: skippedEntries, rehomed: [...rehomed] },
    name: (item) => plainText(item.project_id),
    empty: `${source} has no databases`,
  }
}

export function settledDatabasesRecord(settled: SettledDatabases, dataDir: string): RecordOutput {
  const { id, source, projects, outcome } = settled
  return {
    kind: 'record',
    record: {
      status: outcome === 'finished' ? 'restored' : 'rolled_back',
      id,
      source,
      projects: [...projects],
      data_folder: dataDir,
      outcome,
    },
    name: id,
    fields: [
      [outcome === 'finished' ? 'finished' : 'rolled back', id],
      ['source', source],
      ...(projects.length > 0 ? ([['projects', projects.join(', ')]] as const) : []),
      [
        'now',
        {
          finished: 'the databases of the backup are in their places',
          undone: 'the databases of before the restore are in their places',
          unfinished: 'what it had begun is gone; no database was touched',
        }[outcome],
      ],
    ],
  }
}

/** Beside the schemas of tables in `restore drop-old`. */
export const keptDatabasesItem = (kept: KeptDatabases, isDryRun: boolean): JsonObject => ({
  id: kept.id,
  schema: null,
  projects: [...kept.projects],
  size_bytes: kept.sizeBytes,
  status: isDryRun ? 'would_drop' : 'dropped',
})
