import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import type { ManifestFile } from './manifest-file.ts'
import type { Manifest } from './manifest.ts'
import type { Repository } from './repository.ts'

type RecordContext = Pick<Context, 'database' | 'operator'>

/** Enters a set that was made, or brought, in `analysis_backups`. Safe to repeat. */
export async function recordBackup(
  { database, operator }: RecordContext,
  repository: Repository,
  { manifest, digest }: Pick<ManifestFile, 'manifest' | 'digest'>,
  action: 'backup.create' | 'backup.import',
): Promise<void> {
  const row = {
    repository: repository.path,
    kind: manifest.kind,
    label: manifest.label,
    status: manifest.status,
    sizeBytes: manifest.totals.storedBytes,
    createdAt: manifest.startedAt,
    finishedAt: manifest.finishedAt,
    profile: manifest.profile,
    parts: manifest.parts,
    isEncrypted: manifest.encryption !== null,
    rowsTotal: manifest.totals.rows,
    plainBytes: manifest.totals.plainBytes,
    manifest: JSON.stringify(summaryOf(manifest)),
  }
  await database.queries.transaction().execute(async (transaction) => {
    await transaction
      .insertInto('analysisBackups')
      .values({ id: manifest.id, ...row })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute()
    await recordAudit(transaction, operator, {
      action,
      targetType: 'backup',
      targetId: manifest.id,
      after: { manifest: digest },
      details: { repository: repository.path, status: manifest.status },
    })
  })
}

/** What people ask of a set with SQL; the manifest itself lies with the set. */
function summaryOf({ postgres, duckdb, results, problems, notes, dataFolders }: Manifest) {
  return {
    server_version: postgres?.serverVersion ?? null,
    migrations: postgres?.migrations.length ?? 0,
    tables: Object.fromEntries(postgres?.tables.map(({ name, rows }) => [name, rows]) ?? []),
    projects: duckdb.map(({ projectId }) => projectId),
    results: results.length,
    // Of thousands of missing results the first ones tell enough.
    problems: problems.slice(0, 100),
    notes,
    data_folders: dataFolders,
  }
}
