import { rm } from 'node:fs/promises'
import path from 'node:path'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { promptDatabase } from '../database/index.ts'
import { KilnError, messageOf } from '../errors/index.ts'
import { fileError, syncFolder } from '../os/index.ts'
import { layout, setFolderOf, setsFolderOf } from './layout.ts'
import { type ListedBackup, listBackups } from './list-backups.ts'
import { removeUnfinishedSets, removeTree } from './publish-set.ts'
import { lockRepository } from './repository-lock.ts'
import { type Repository, openRepository } from './repository.ts'
import {
  type RetentionDecision,
  type RetentionRules,
  decideRetention,
  defaultRetention,
  sourceOf,
} from './retention.ts'

export interface PruneBackupsInput {
  readonly repository: string
  /** Without any rule: `defaultRetention`. */
  readonly rules?: RetentionRules | undefined
  /** Only tells what would go. */
  readonly isDryRun?: boolean | undefined
  readonly waitMs?: number | undefined
}

export interface PrunedBackup extends RetentionDecision {
  readonly status: ListedBackup['status']
  readonly startedAt: string | null
  readonly sizeBytes: number | null
}

export interface PruneOutcome {
  readonly sets: readonly PrunedBackup[]
  readonly rules: RetentionRules
  readonly removedBytes: number
  readonly warnings: readonly string[]
}

/** Of the rows in the list of backups. */
const answerMs = 60_000

/**
 * Removes the sets that no rule keeps; see `decideRetention`. Sets that cannot be read are left for
 * people to look at. Safe to repeat after a death: what was begun is finished by the next one.
 *
 * @throws KilnError BACKUP_REPOSITORY_MISSING, BACKUP_REPOSITORY_BUSY.
 */
export async function pruneBackups(
  { database, ...given }: Context,
  input: PruneBackupsInput,
): Promise<PruneOutcome> {
  const context = { ...given, database: promptDatabase(database, answerMs) }
  const repository = await openRepository(input.repository)
  const rules = hasRule(input.rules) ? input.rules : defaultRetention
  if (input.isDryRun) {
    return outcome(decide(context, await listBackups(repository), rules), rules, [])
  }
  const lock = await lockRepository(repository, {
    purpose: 'kiln backup prune',
    waitMs: input.waitMs ?? 0,
    signal: context.signal,
    database: context.database,
    isDatabaseOptional: true,
  })
  try {
    await removeUnfinishedSets(repository)
    const listed = await listBackups(repository)
    const digests = new Map(listed.map((set) => [set.id, 'digest' in set ? set.digest : undefined]))
    const sets = decide(context, listed, rules)
    const warnings: string[] = []
    for (const { id, isKept, reasons } of sets) {
      if (isKept) continue
      context.signal.throwIfAborted()
      await lock.confirm()
      await removeSet(repository, id)
      await forget(context, id, digests.get(id), reasons).catch(
        (error: unknown) => void warnings.push(`analysis_backups: ${messageOf(error)}`),
      )
    }
    return outcome(sets, rules, warnings)
  } finally {
    await lock.release()
  }
}

/** Manifest first: if we die here, what is left is no set, and the next one removes it. */
async function removeSet(repository: Repository, id: string): Promise<void> {
  const folder = setFolderOf(repository.path, id)
  const manifest = path.join(folder, layout.manifestFile)
  await rm(manifest, { force: true }).catch((error: unknown) => {
    throw fileError(error, manifest)
  })
  await syncFolder(folder)
  await removeTree(folder)
  await syncFolder(setsFolderOf(repository.path))
}

function decide(
  { clock }: Pick<Context, 'clock'>,
  listed: readonly ListedBackup[],
  rules: RetentionRules,
): readonly PrunedBackup[] {
  const readable = listed.flatMap((set) => ('manifest' in set ? [set] : []))
  const decisions = decideRetention(
    readable.map(({ id, manifest, verification }) => ({
      id,
      startedAt: Date.parse(manifest.startedAt),
      isComplete: manifest.status === 'complete',
      isSound: verification?.isSound !== false,
      source: sourceOf(manifest.profile, manifest.parts, manifest.postgres?.database),
    })),
    rules,
    clock.now(),
  )
  const byId = new Map(decisions.map((decision) => [decision.id, decision]))
  return listed.map((set) => {
    if (!('manifest' in set)) {
      const reasons = [`${set.status}: look at it, then delete its folder by hand`]
      return { ...set, isKept: true, reasons, startedAt: null, sizeBytes: null }
    }
    const { id, status, manifest } = set
    const decision = byId.get(id)
    if (!decision) throw new KilnError('INTERNAL', `no decision on ${id}`)
    const { startedAt, totals } = manifest
    return { ...decision, status, startedAt, sizeBytes: totals.storedBytes }
  })
}

async function forget(
  { database, operator }: Pick<Context, 'database' | 'operator'>,
  id: string,
  digest: string | undefined,
  reasons: readonly string[],
): Promise<void> {
  await database.queries.transaction().execute(async (transaction) => {
    await transaction.deleteFrom('analysisBackups').where('id', '=', id).execute()
    await recordAudit(transaction, operator, {
      action: 'backup.prune',
      targetType: 'backup',
      targetId: id,
      before: digest === undefined ? undefined : { manifest: digest },
      details: { reasons },
    })
  })
}

function hasRule(rules: RetentionRules | undefined): rules is RetentionRules {
  return rules !== undefined && Object.values(rules).some((value) => value !== undefined)
}

const outcome = (
  sets: readonly PrunedBackup[],
  rules: RetentionRules,
  warnings: readonly string[],
): PruneOutcome => ({
  sets,
  rules,
  removedBytes: sets.reduce(
    (sum, { isKept, sizeBytes }) => sum + (isKept ? 0 : (sizeBytes ?? 0)),
    0,
  ),
  warnings,
})
