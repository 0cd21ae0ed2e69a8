import type { CreatedBackup } from '../../core/backup/index.ts'
import type { Manifest } from '../../core/backup/manifest.ts'
import { KilnError } from '../../core/errors/index.ts'
import { formatDuration, formatSize } from '../../core/units/index.ts'
import type { JsonObject, RecordOutput } from '../output/output.ts'
import { plainText } from '../output/render.ts'

/** The figures of a set, as every command shows them. */
export function manifestJson(manifest: Manifest): JsonObject {
  const { postgres, totals, results } = manifest
  return {
    id: manifest.id,
    kind: manifest.kind,
    label: manifest.label,
    status: manifest.status,
    profile: manifest.profile,
    parts: manifest.parts,
    created_at: manifest.startedAt,
    finished_at: manifest.finishedAt,
    size_bytes: totals.storedBytes,
    plain_bytes: totals.plainBytes,
    rows: totals.rows,
    objects: totals.objects,
    is_encrypted: manifest.encryption !== null,
    has_datasource_key: manifest.datasourceKey !== null,
    host: manifest.host,
    program_version: manifest.programVersion,
    data_folders: manifest.dataFolders,
    postgres: postgres && postgresJson(postgres),
    duckdb: manifest.duckdb.map(({ projectId, homeFolder, file, log, duckdbVersion, tables }) => ({
      project_id: projectId,
      home_folder: homeFolder,
      size_bytes: file.plainBytes,
      log_bytes: log?.plainBytes ?? 0,
      stored_bytes: file.storedBytes + (log?.storedBytes ?? 0),
      duckdb_version: duckdbVersion,
      tables: tables.map(({ schema, name, rows, fingerprint }) => ({
        schema,
        name,
        rows,
        fingerprint,
      })),
    })),
    results: results.length,
    results_bytes: results.reduce((sum, { object }) => sum + object.plainBytes, 0),
    problems: manifest.problems.map(({ part, name, reason }) => ({ part, name, reason })),
    notes: manifest.notes,
  }
}

const postgresJson = (postgres: NonNullable<Manifest['postgres']>): JsonObject => ({
  server_version: postgres.serverVersion,
  system_identifier: postgres.systemIdentifier,
  database: postgres.database,
  encoding: postgres.encoding,
  snapshot: postgres.snapshot,
  row_format: postgres.rowFormat,
  schema_version: postgres.migrations.at(-1)?.version ?? null,
  dump: postgres.dump?.tool ?? null,
  tables: postgres.tables.map(({ name, rows, plainBytes, objects, isRestored }) => ({
    name,
    rows,
    plain_bytes: plainBytes,
    stored_bytes: objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    files: objects.length,
    restored: isRestored,
  })),
})

/** Label and text of the readable form. */
export function manifestFields(manifest: Manifest): [string, string][] {
  const { postgres, totals, problems } = manifest
  const parts = manifest.parts.join(', ')
  return [
    ['set', manifest.id],
    ['status', manifest.status],
    ...(manifest.label === null ? [] : [['label', manifest.label] as [string, string]]),
    ['holds', manifest.profile === 'full' ? `${parts}, whole database` : parts],
    ['size', `${formatSize(totals.storedBytes)} of ${formatSize(totals.plainBytes)}`],
    ['files', String(totals.objects)],
    ...(postgres
      ? ([
          ['rows', String(totals.rows)],
          ['Postgres', `${postgres.serverVersion}, rows as ${postgres.rowFormat}`],
          ['schema', postgres.migrations.at(-1)?.version ?? '-'],
          ...(postgres.dump ? [['dump', postgres.dump.tool]] : []),
          ['results', String(manifest.results.length)],
        ] as [string, string][])
      : []),
    ...(manifest.parts.includes('duckdb')
      ? [['databases', String(manifest.duckdb.length)] as [string, string]]
      : []),
    ['encrypted', manifest.encryption ? 'yes' : 'no'],
    ...problems.slice(0, mostShown).map(problemField),
    ...(problems.length > mostShown
      ? [['', `and ${problems.length - mostShown} more`] as [string, string]]
      : []),
    ...manifest.notes.map((note): [string, string] => ['note', note]),
  ]
}

const mostShown = 20

const problemField = (problem: Manifest['problems'][number]): [string, string] => [
  'not in it',
  plainText(`${problem.part} ${problem.name}: ${problem.reason}`),
]

export function createdBackupRecord({
  id,
  path,
  manifest,
  durationMs,
}: CreatedBackup): RecordOutput {
  const perSecond = durationMs > 0 ? (manifest.totals.plainBytes * 1000) / durationMs : 0
  return {
    kind: 'record',
    record: {
      ...manifestJson(manifest),
      path,
      duration_ms: Math.round(durationMs),
      bytes_per_s: Math.round(perSecond),
    },
    name: id,
    fields: [
      // Notes were said on stderr.
      ...manifestFields({ ...manifest, notes: [] }),
      ['path', path],
      ['took', `${formatDuration(durationMs)}, ${formatSize(perSecond)}/s`],
    ],
    ...(manifest.status === 'partial' ? { error: partialError(manifest) } : {}),
  }
}

function partialError({ id, problems }: Manifest): KilnError {
  const [first, ...more] = problems
  const rest = more.length > 0 ? `, and ${more.length} more` : ''
  return new KilnError(
    'PARTIAL',
    `${id} is partial: ${first?.part} ${first?.name} is not in it (${first?.reason})${rest}`,
    {
      hint: `mend what is named, then make another; see all: kiln backup show ${id}`,
      details: { problems: problems.slice(0, 100) },
    },
  )
}
