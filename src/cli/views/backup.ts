import type {
  ExportedBackup,
  ImportedBackup,
  ListedBackup,
  PruneOutcome,
  VerifiedBackup,
} from '../../core/backup/index.ts'
import { KilnError } from '../../core/errors/index.ts'
import { formatDuration, formatSize } from '../../core/units/index.ts'
import type { Json, JsonObject, ListOutput, RecordOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'
import { age } from './age.ts'
import { manifestFields, manifestJson } from './created-backup.ts'

const size = (bytes: Json | undefined): string =>
  typeof bytes === 'number' ? formatSize(bytes) : '-'

type Readable = Extract<ListedBackup, { readonly manifest: unknown }>

const verificationJson = ({ verification }: Readable): JsonObject => ({
  verified_at: verification?.verifiedAt ?? null,
  verified_level: verification?.level ?? null,
  verified_ok: verification?.isSound ?? null,
})

function listedJson(listed: ListedBackup): JsonObject {
  if (!('manifest' in listed)) {
    const { id, status, reason } = listed
    return { id, status, reason }
  }
  const { manifest } = listed
  return {
    id: manifest.id,
    kind: manifest.kind,
    label: manifest.label,
    status: manifest.status,
    profile: manifest.profile,
    parts: manifest.parts,
    created_at: manifest.startedAt,
    finished_at: manifest.finishedAt,
    size_bytes: manifest.totals.storedBytes,
    rows: manifest.totals.rows,
    is_encrypted: manifest.encryption !== null,
    problems: manifest.problems.length,
    ...verificationJson(listed),
  }
}

const verifiedText = (item: JsonObject): string => {
  if (typeof item.verified_at !== 'string') return 'never'
  return `${item.verified_ok === true ? '' : 'DAMAGED, '}${plainText(item.verified_level)}, ${age(item.verified_at)}`
}

/** Newest first, as people look for them. */
export function backupList(
  repository: string,
  backups: readonly ListedBackup[],
  now: number,
): ListOutput {
  const items = backups.toReversed().map(listedJson)
  const verified = items.find((item) => item.verified_ok === true && item.status === 'complete')
  const since = typeof verified?.verified_at === 'string' ? Date.parse(verified.verified_at) : null
  return {
    kind: 'list',
    items,
    summary: {
      repository,
      newest_verified: verified?.id ?? null,
      newest_verified_age_ms: since === null ? null : Math.max(0, now - since),
    },
    columns: [
      field('set', 'id'),
      field('status', 'status'),
      {
        header: 'holds',
        text: (item) => plainText((item.parts as string[] | undefined)?.join(', ')),
      },
      { header: 'size', text: (item) => size(item.size_bytes) },
      { header: 'made', text: (item) => age(plainText(item.created_at) || null) || '-' },
      { header: 'verified', text: verifiedText },
      field('label', 'label'),
      field('rows', 'rows', true),
      field('profile', 'profile', true),
      field('encrypted', 'is_encrypted', true),
      field('reason', 'reason', true),
    ],
    nextCursor: null,
    name: (item) => plainText(item.id),
    empty: `no sets in ${repository}: make one with kiln backup create`,
  }
}

export function backupRecord(listed: ListedBackup, path: string): RecordOutput {
  if (!('manifest' in listed)) {
    return { kind: 'record', record: { ...listedJson(listed), path }, name: listed.id }
  }
  const { manifest, verification } = listed
  return {
    kind: 'record',
    record: {
      ...manifestJson(manifest),
      ...verificationJson(listed),
      findings: verification?.findings.map(({ object, reason }) => ({ object, reason })) ?? [],
      path,
    },
    name: manifest.id,
    fields: [
      ...manifestFields(manifest),
      ...(manifest.postgres?.tables ?? [])
        .filter(({ rows }) => rows > 0)
        .map(({ name, rows, plainBytes }): [string, string] => [
          '',
          `${name}: ${rows} rows, ${formatSize(plainBytes)}`,
        ]),
      ...manifest.duckdb.map(({ projectId, file, tables }): [string, string] => [
        '',
        plainText(`${projectId}: ${tables.length} tables, ${formatSize(file.plainBytes)}`),
      ]),
      ['made', `${manifest.startedAt} on ${manifest.host}`],
      ['verified', verifiedText(listedJson(listed))],
      ...(verification?.findings ?? []).map(({ object, reason }): [string, string] => [
        'finding',
        plainText(`${object}: ${reason}`),
      ]),
      ['path', path],
    ],
  }
}

export function verifiedList(results: readonly VerifiedBackup[]): ListOutput {
  const damaged = results.filter(({ isSound }) => !isSound)
  const [first] = damaged
  return {
    kind: 'list',
    items: results.map((result) => ({
      id: result.id,
      level: result.level,
      ok: result.isSound,
      verified_at: result.verifiedAt,
      objects: result.objects,
      size_bytes: result.storedBytes,
      duration_ms: Math.round(result.durationMs),
      findings: result.findings.map(({ object, reason }) => ({ object, reason })),
    })),
    columns: [
      field('set', 'id'),
      field('level', 'level'),
      { header: 'sound', text: (item) => (item.ok === true ? 'yes' : 'NO') },
      field('files', 'objects'),
      { header: 'size', text: (item) => size(item.size_bytes) },
      { header: 'took', text: (item) => formatDuration(Number(item.duration_ms)) },
    ],
    nextCursor: null,
    name: (item) => plainText(item.id),
    empty: 'no sets to verify',
    ...(first ? { error: damagedError(first, damaged.length) } : {}),
  }
}

function damagedError({ id, findings }: VerifiedBackup, count: number): KilnError {
  const [first, ...more] = findings
  const rest = more.length > 0 ? `, and ${more.length} more` : ''
  const others = count > 1 ? `; ${count - 1} more sets are damaged` : ''
  return new KilnError(
    'BACKUP_DAMAGED',
    `${id} is damaged: ${first?.object}: ${first?.reason}${rest}${others}`,
    { hint: 'make a new set and keep it elsewhere: kiln backup create --repo DIR' },
  )
}

export function prunedList(
  { sets, rules, removedBytes }: PruneOutcome,
  isDryRun: boolean,
): ListOutput {
  return {
    kind: 'list',
    items: sets.toReversed().map((set) => ({
      id: set.id,
      status: set.status,
      kept: set.isKept,
      reasons: set.reasons,
      created_at: set.startedAt,
      size_bytes: set.sizeBytes,
    })),
    summary: {
      dry_run: isDryRun,
      rules: {
        keep_last: rules.keepLast ?? null,
        keep_days: rules.keepDays ?? null,
        daily: rules.daily ?? null,
        weekly: rules.weekly ?? null,
        monthly: rules.monthly ?? null,
      },
      removed: sets.filter(({ isKept }) => !isKept).length,
      removed_bytes: removedBytes,
    },
    columns: [
      field('set', 'id'),
      field('status', 'status'),
      {
        header: isDryRun ? 'would be' : 'is',
        text: (item) => (item.kept === true ? 'kept' : 'removed'),
      },
      { header: 'size', text: (item) => size(item.size_bytes) },
      { header: 'why', text: (item) => plainText((item.reasons as string[]).join('; ')) },
    ],
    nextCursor: null,
    name: (item) => (item.kept === true ? '' : plainText(item.id)),
    empty: 'no sets',
  }
}

export function exportedRecord(exported: ExportedBackup): RecordOutput {
  return {
    kind: 'record',
    record: {
      id: exported.id,
      file: exported.file,
      size_bytes: exported.sizeBytes,
      sha256: exported.sha256,
      digest: exported.digest,
      objects: exported.objects,
    },
    name: exported.file,
  }
}

export function importedRecord({ path, manifest }: ImportedBackup): RecordOutput {
  return {
    kind: 'record',
    record: { ...manifestJson(manifest), path },
    name: manifest.id,
    fields: [...manifestFields(manifest), ['path', path]],
  }
}
