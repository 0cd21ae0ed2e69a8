import type { Context } from '../context.ts'
import { promptQueries } from '../database/index.ts'
import { KilnError, isKilnError, messageOf } from '../errors/index.ts'
import { readManifest } from './manifest-file.ts'
import { type BackupSet, openSet } from './open-set.ts'
import { type OnBackupProgress, PhaseMeter } from './progress.ts'
import { openRepository } from './repository.ts'
import { type Verification, type VerifyLevel, writeVerification } from './verification.ts'
import { type VerifyFinding, verifyObjects } from './verify-objects.ts'

/**
 * Restores the set into a scratch database and folder, compares them with the manifest, and drops them.
 * Given by the caller: what restores builds on this module.
 */
export type Drill = (
  set: BackupSet,
  options: { readonly onProgress?: OnBackupProgress | undefined },
) => Promise<readonly VerifyFinding[]>

export interface VerifyBackupInput {
  readonly repository: string
  /** Id, the beginning of one, or `latest`. */
  readonly set: string
  readonly level: VerifyLevel
  /** For `drill` of an encrypted set, and to make sure who wrote its manifest. */
  readonly passphrase?: string | undefined
  /** What `drill` does. */
  readonly drill?: Drill | undefined
  readonly onProgress?: OnBackupProgress | undefined
}

export interface VerifiedBackup {
  readonly id: string
  readonly level: VerifyLevel
  readonly verifiedAt: string
  readonly isSound: boolean
  readonly findings: readonly VerifyFinding[]
  readonly objects: number
  readonly storedBytes: number
  readonly durationMs: number
}

/**
 * Verifies one set and keeps what it found with the set. Findings are a result, not an error; a
 * manifest that is damaged is a finding too.
 *
 * @throws KilnError BACKUP_NOT_FOUND, BACKUP_FORMAT_NEWER, BACKUP_PASSPHRASE_WRONG,
 * BACKUP_PASSPHRASE_MISSING for a drill of an encrypted set.
 */
export async function verifyBackup(
  context: Context,
  input: VerifyBackupInput,
): Promise<VerifiedBackup> {
  const began = context.clock.monotonic()
  const repository = await openRepository(input.repository)
  const verifiedAt = new Date(context.clock.now()).toISOString()
  const result = (
    id: string,
    findings: readonly VerifyFinding[],
    totals: { readonly objects: number; readonly storedBytes: number },
  ): VerifiedBackup => ({
    id,
    level: input.level,
    verifiedAt,
    isSound: findings.length === 0,
    findings,
    objects: totals.objects,
    storedBytes: totals.storedBytes,
    durationMs: context.clock.monotonic() - began,
  })
  let set: BackupSet
  try {
    set = await openSet(repository, { name: input.set, passphrase: input.passphrase })
  } catch (error) {
    if (!isKilnError(error, 'BACKUP_DAMAGED')) throw error
    const finding = { object: 'manifest.json', reason: error.message }
    return result(input.set, [finding], { objects: 0, storedBytes: 0 })
  }
  const findings = await check(context, set, input)
  // Who took the set away meanwhile has not damaged it.
  if (findings.length > 0) await readManifest(set.folder)
  await keep(context, set, {
    level: input.level,
    verifiedAt,
    isSound: findings.length === 0,
    // Ten thousand missing files are told by the first of them.
    findings: findings.slice(0, 100),
    digest: set.digest,
  })
  return result(set.id, findings, set.manifest.totals)
}

async function check(
  { signal }: Pick<Context, 'signal'>,
  set: BackupSet,
  { level, drill, onProgress }: VerifyBackupInput,
): Promise<readonly VerifyFinding[]> {
  const meter = new PhaseMeter('verify', set.manifest.totals.storedBytes, onProgress)
  const findings = await verifyObjects(set, {
    level: level === 'quick' ? 'quick' : 'full',
    signal,
    onBytes: meter.addBytes,
  })
  // What cannot be read cannot be restored.
  if (level !== 'drill' || findings.length > 0) return findings
  if (!drill) throw new KilnError('INTERNAL', 'a drill was asked for and none was given')
  return drill(set, { onProgress })
}

async function keep(
  { database, log }: Pick<Context, 'database' | 'log'>,
  set: BackupSet,
  verification: Verification,
): Promise<void> {
  await writeVerification(set, verification).catch((error: unknown) => {
    // On a disk that was mounted read only a set can be verified all the same.
    if (!isKilnError(error, 'PERMISSION_DENIED')) throw error
    log.warn({ set: set.id }, 'the verification cannot be kept with the set: it is read only')
  })
  await promptQueries(database, 60_000)
    .updateTable('analysisBackups')
    .set({
      verifiedAt: verification.verifiedAt,
      verifiedLevel: verification.level,
      verifiedOk: verification.isSound,
    })
    .where('id', '=', set.id)
    .execute()
    // The set's own file is what counts; a set may be verified where its database is not.
    .catch((error: unknown) =>
      log.warn({ err: messageOf(error) }, 'the verification is not in analysis_backups'),
    )
}
