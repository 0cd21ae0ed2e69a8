import type { Dependents, RestoredDump } from '../../core/restore/index.ts'
import type { JsonObject } from '../output/output.ts'

/** What was restored, and into which database. */
export interface RestoreSubject {
  readonly source: string
  readonly database: string
}

export const rowsJson = (tables: readonly { readonly name: string; readonly rows: number }[]) =>
  Object.fromEntries(tables.map(({ name, rows }) => [name, rows]))

export const dependentsJson = (dependents: Dependents): JsonObject => ({
  bound: [...dependents.bound],
  foreign_keys: dependents.foreignKeys.map(
    ({ schema, table, name }) => `${schema}.${table}.${name}`,
  ),
  indexes: [...dependents.indexes],
  triggers: [...dependents.triggers],
  grants: [...dependents.grants],
})

type Added = readonly { readonly table: string; readonly name: string; readonly type: string }[]

export const addedJson = (added: Added) =>
  added.map(({ table, name, type }) => ({ table, column: name, type }))

/** Columns of operators that the tables had not. */
export const addedFields = (added: Added): (readonly [string, string])[] =>
  added.length === 0
    ? []
    : [
        [
          'columns added',
          added.map(({ table, name, type }) => `${table}.${name} ${type}`).join(', '),
        ],
      ]

export const totalRows = (tables: readonly { readonly rows: number }[]): number =>
  tables.reduce((sum, { rows }) => sum + rows, 0)

export const methodText = (method: string): string =>
  method === 'exchange'
    ? 'tables are loaded beside the live ones and exchanged'
    : 'rows are replaced in place, since others depend on the tables'

/** What others have hung on the tables, one line a kind. */
export function dependentFields(dependents: Dependents): (readonly [string, string])[] {
  const { foreign_keys: keys } = dependentsJson(dependents) as { foreign_keys: readonly string[] }
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ['depends on the tables', dependents.bound],
    ['foreign keys of others', keys],
    ['indexes of others', dependents.indexes],
    ['triggers of others', dependents.triggers],
    ['grants', dependents.grants],
  ]
  return lists
    .filter(([, items]) => items.length > 0)
    .map(([label, items]) => [label, items.join(', ')])
}

export const tableFields = (
  tables: readonly { readonly name: string; readonly rows: number }[],
): (readonly [string, string])[] => [
  ['rows', `${totalRows(tables)} in ${tables.length} tables`],
  ...tables.map(({ name, rows }) => [`  ${name}`, String(rows)] as const),
]

/** What every restore of tables tells. */
type Restored = Omit<
  RestoredDump,
  'format' | 'skippedStatements' | 'skippedCommands' | 'skippedTables'
>

export const restoredJson = (
  restored: Restored,
  { source, database }: RestoreSubject,
): JsonObject => ({
  status: 'restored',
  id: restored.id,
  source,
  database,
  method: restored.method,
  old_schema: restored.oldSchema,
  rows: totalRows(restored.tables),
  tables: rowsJson(restored.tables),
  kept_tables: rowsJson(restored.kept),
  dropped_rows: Object.fromEntries(
    restored.kept
      .filter(({ droppedRows }) => droppedRows > 0)
      .map((kept) => [kept.name, kept.droppedRows]),
  ),
  created_projects: restored.settled.projects,
  requeued_jobs: restored.settled.requeuedJobs,
  lost_jobs: restored.settled.lostJobs,
  held_jobs: restored.settled.heldJobs - restored.releasedJobs,
  released_jobs: restored.releasedJobs,
  schedules: restored.settled.schedules,
  dependents: dependentsJson(restored.dependents),
})

export function restoredFields(
  restored: Restored,
  { source, database }: RestoreSubject,
): (readonly [string, string])[] {
  const held = restored.settled.heldJobs - restored.releasedJobs
  const { requeuedJobs, lostJobs, projects } = restored.settled
  return [
    ['restored', source],
    ['into database', database],
    ...tableFields(restored.tables),
    ...(projects > 0 ? ([['projects created', String(projects)]] as const) : []),
    ...(requeuedJobs > 0
      ? ([['were running', `${requeuedJobs} jobs, pending again`]] as const)
      : []),
    ...(lostJobs > 0 ? ([['were run by a command', `${lostJobs} jobs, failed now`]] as const) : []),
    ...(held > 0
      ? ([['pending jobs held', `${held}; let them run: kiln restore postgres --release`]] as const)
      : []),
    ...(restored.oldSchema === null
      ? []
      : ([['tables of before', `${restored.oldSchema}; kiln restore drop-old`]] as const)),
  ]
}
