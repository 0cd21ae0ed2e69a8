import path from 'node:path'
import { createBackup, pruneBackups, verifyBackup } from '../backup/index.ts'
import type { Settings } from '../config/index.ts'
import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'

type Details = Readonly<Record<string, unknown>>

/** Where the commands look too, without a flag. */
const repositoryOf = ({ backupRepository, dataDir }: Settings): string =>
  path.resolve(backupRepository ?? path.join(dataDir, 'backups'))

/**
 * Makes a set of everything, as `kiln backup create` does; encrypted where there is a passphrase.
 *
 * @throws KilnError PARTIAL when something is not in the set, and those of making one.
 */
export async function runBackup(context: Context): Promise<Details> {
  const { id, manifest, warnings } = await createBackup(context, {
    repository: repositoryOf(context.settings),
    parts: ['postgres', 'duckdb', 'config'],
    kind: 'scheduled',
    passphrase: context.settings.backupPassphrase,
  })
  const { problems, totals } = manifest
  const details = { set: id, stored_bytes: totals.storedBytes, rows: totals.rows, warnings }
  if (manifest.status === 'complete') return details
  throw new KilnError('PARTIAL', `the backup set ${id} lacks ${problems.length} parts`, {
    hint: `see which: kiln backup show ${id}`,
    details: { ...details, problems },
  })
}

/**
 * Proves that every byte of the latest set is the one that was written, as `kiln backup verify`.
 *
 * @throws KilnError BACKUP_DAMAGED when one is not, and those of verifying.
 */
export async function runVerify(context: Context): Promise<Details> {
  const { id, isSound, findings, objects } = await verifyBackup(context, {
    repository: repositoryOf(context.settings),
    set: 'latest',
    level: 'full',
    passphrase: context.settings.backupPassphrase,
  })
  if (isSound) return { set: id, objects }
  throw new KilnError('BACKUP_DAMAGED', `${findings.length} objects of the set ${id} are damaged`, {
    hint: `see which: kiln backup verify ${id}`,
    details: { set: id, findings: findings.slice(0, 20) },
  })
}

/** Removes the sets that the usual rules do not keep, as `kiln backup prune`. */
export async function runPrune(context: Context): Promise<Details> {
  const { sets, removedBytes, warnings } = await pruneBackups(context, {
    repository: repositoryOf(context.settings),
  })
  const removed = sets.filter(({ isKept }) => !isKept).map(({ id }) => id)
  return { removed, removed_bytes: removedBytes, kept: sets.length - removed.length, warnings }
}
