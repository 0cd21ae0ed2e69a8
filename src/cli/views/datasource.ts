import type {
  Datasource,
  DatasourceConfig,
  DatasourceReport,
  PostgresPlace,
} from '../../core/datasources/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { Column, JsonObject, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'

/** A datasource as commands print it: where it is and where its secret is, never the secret. */
export function datasourceJson(datasource: Datasource, place?: PostgresPlace): JsonObject {
  const { config } = datasource
  return {
    id: datasource.id,
    project_id: datasource.projectId,
    name: datasource.name,
    type: config.type,
    ...(config.type === 'postgres'
      ? { secret: secretText(config), ...placeJson(place ?? config.place) }
      : { path: config.path }),
    ...(config.type === 'file' ? { format: config.format } : {}),
    key_id: datasource.keyId,
    created_by: datasource.createdBy,
    created_at: datasource.createdAt,
    updated_at: datasource.updatedAt,
  }
}

function placeJson(place: PostgresPlace | undefined): JsonObject {
  return {
    host: place?.host ?? null,
    port: place?.port ?? null,
    database: place?.database ?? null,
    user: place?.user ?? null,
  }
}

function secretText({ secret }: Extract<DatasourceConfig, { type: 'postgres' }>): string {
  switch (secret.kind) {
    case 'variable':
      return `variable ${secret.variable}`
    case 'file':
      return `file ${secret.path}`
    case 'encrypted':
      return 'encrypted'
  }
}

export const datasourceColumns: readonly Column<JsonObject>[] = [
  field('name', 'name'),
  field('project', 'project_id'),
  field('type', 'type'),
  {
    header: 'where',
    text: (item) =>
      typeof item.path === 'string'
        ? item.path
        : typeof item.host === 'string'
          ? `${item.host}:${plainText(item.port)}/${plainText(item.database)}`
          : plainText(item.secret),
  },
  { header: 'created', text: (item) => age(item.created_at) },
  field('secret', 'secret', true),
  field('created by', 'created_by', true),
  field('id', 'id', true),
]

export function datasourceRecord(datasource: Datasource, place?: PostgresPlace): RecordOutput {
  const record = datasourceJson(datasource, place)
  const shown = ['name', 'project_id', 'type', 'path', 'format', 'host', 'port', 'database', 'user']
  return {
    kind: 'record',
    record,
    fields: [...shown, 'secret', 'created_by'].flatMap((key) => {
      const value = record[key]
      return value === undefined || value === null
        ? []
        : [[key.replace('_id', '').replace('_', ' '), plainText(value)] as const]
    }),
    name: datasource.name,
  }
}

const columnText = ({ name, type }: { readonly name: string; readonly type: string }): string =>
  `${name} ${type.toLowerCase()}`

/** What `datasource test` found. */
export function datasourceReport(name: string, report: DatasourceReport): RecordOutput {
  if (report.type !== 'postgres') {
    return {
      kind: 'record',
      record: {
        name,
        type: report.type,
        ok: true,
        files: report.files,
        size_bytes: report.sizeBytes,
        ...(report.type === 'duckdb'
          ? { tables: report.tables }
          : {
              columns:
                report.columns?.map(({ name: column, type }) => ({ name: column, type })) ?? null,
            }),
      },
      fields: [
        ['datasource', name],
        ['files', String(report.files)],
        ['size', formatSize(report.sizeBytes)],
        report.type === 'duckdb'
          ? ['tables', report.tables.join(', ')]
          : ['columns', report.columns?.map(columnText).join(', ') ?? 'too large to look inside'],
      ],
      name,
    }
  }
  const { serverVersion, user, database, writePrivileges, latencyMs } = report
  return {
    kind: 'record',
    record: {
      name,
      type: 'postgres',
      ok: true,
      server_version: serverVersion,
      user,
      database,
      write_privileges: writePrivileges,
      latency_ms: latencyMs,
    },
    fields: [
      ['datasource', name],
      ['server', `Postgres ${serverVersion}`],
      ['database', database],
      ['user', user],
      ['may write', writePrivileges.length > 0 ? writePrivileges.join(', ') : 'no'],
      ['latency', `${latencyMs} ms`],
    ],
    name,
  }
}
