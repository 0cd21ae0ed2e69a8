import { rm } from 'node:fs/promises'
import {
  type Analysis,
  type AnalysisReference,
  auditState,
  getAnalysis,
} from '../analyses/index.ts'
import { recordAudit } from '../audit/index.ts'
import type { Context } from '../context.ts'
import { type Queries, repeatedTransaction } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import { cancelJob } from '../jobs/index.ts'
import { openDataFolder } from '../os/index.ts'
import {
  type AnalysisBelongings,
  belongingsOf,
  dependentsOf,
  resultFilesOf,
} from './analysis-belongings.ts'
import { resultFile } from './read-result.ts'

type DeleteContext = Pick<Context, 'database' | 'operator' | 'settings'>

/** An analysis that was named and what goes with it, or the reason why it stays. */
export type DeletionOutcome =
  | { readonly word: string; readonly analysis: Analysis; readonly belongings: AnalysisBelongings }
  | { readonly word: string; readonly error: KilnError }

/** What `deleteAnalyses` would delete, as it is now. Changes nothing. */
export function previewDeletion(
  context: Pick<Context, 'database'>,
  references: readonly AnalysisReference[],
): Promise<DeletionOutcome[]> {
  return forEach(references, async (reference) => {
    const analysis = await getAnalysis(context, reference)
    return { analysis, belongings: await belongingsOf(context.database.queries, analysis.id) }
  })
}

/**
 * Deletes analyses with everything that is theirs: versions, jobs with their log lines and results,
 * schedules, what scripts kept. Each in a transaction of its own with its audit row; one that is
 * refused does not keep the others from it. With `force` also one that has running jobs, which are
 * cancelled, or that other analyses declare.
 */
export async function deleteAnalyses(
  context: DeleteContext,
  references: readonly AnalysisReference[],
  { force }: { readonly force: boolean },
): Promise<DeletionOutcome[]> {
  // Those that are deleted together are no reason to keep each other.
  const preview = await previewDeletion(context, references)
  const ids = preview.flatMap((one) => ('analysis' in one ? [one.analysis.id] : []))
  return forEach(references, async (reference) => {
    const analysis = await getAnalysis(context, reference)
    const { belongings, files } = await repeatedTransaction(
      context.database.queries,
      (transaction) => deleteOne(context, transaction, { analysis, ids, force }),
    )
    // Rows first: if we die here, the files are orphans that cleanup finds; the other way round
    // rows would name files that are gone.
    await removeFiles(context, files)
    return { analysis, belongings }
  })
}

async function forEach<Found extends object>(
  references: readonly AnalysisReference[],
  work: (reference: AnalysisReference) => Promise<Found>,
): Promise<(({ readonly word: string } & Found) | { word: string; error: KilnError })[]> {
  const outcomes = []
  for (const reference of references) {
    const word = reference.idOrName
    try {
      outcomes.push({ word, ...(await work(reference)) })
    } catch (error) {
      if (!(error instanceof KilnError)) throw error
      outcomes.push({ word, error })
    }
  }
  return outcomes
}

interface Deletion {
  readonly analysis: Analysis
  /** All that this command deletes. */
  readonly ids: readonly string[]
  readonly force: boolean
}

async function deleteOne(
  { operator }: DeleteContext,
  transaction: Queries,
  { analysis, ids, force }: Deletion,
): Promise<{ belongings: AnalysisBelongings; files: readonly ResultFile[] }> {
  // First those that have not ended, as they lock their schedule when they end; then the schedules, as
  // firing locks them before it adds jobs of the analysis, and passes over them now.
  await lockUnfinished(transaction, analysis.id)
  await transaction
    .selectFrom('analysisSchedules')
    .select('id')
    .where('analysisId', '=', analysis.id)
    .orderBy('id')
    .forNoKeyUpdate()
    .execute()
  // The lock keeps new jobs, versions and schedules out until the end.
  const stored = await transaction
    .selectFrom('analyses')
    .select(['title', 'name', 'projectId', 'isActive', 'version', 'scriptContent'])
    .where('id', '=', analysis.id)
    .forUpdate()
    .executeTakeFirst()
  if (!stored) {
    throw new KilnError('ANALYSIS_NOT_FOUND', 'the analysis was deleted meanwhile', {
      hint: 'see what there is: kiln analysis list',
    })
  }
  const others = await dependentsOf(transaction, analysis, ids)
  if (others.length > 0 && !force) throw inUse(analysis, others)
  await endJobs(transaction, analysis, force)
  const belongings = await belongingsOf(transaction, analysis.id)
  const files = await resultFilesOf(transaction, analysis.id)
  await transaction.deleteFrom('analyses').where('id', '=', analysis.id).execute()
  await recordAudit(transaction, operator, {
    action: 'analysis.delete',
    targetType: 'analysis',
    targetId: analysis.id,
    targetName: `${stored.projectId}/${stored.name}`,
    before: auditState(stored, stored.scriptContent),
    details: { version: stored.version, ...belongings },
  })
  return { belongings, files }
}

/** Its jobs that have not ended, locked: no executor claims one until the end. */
const lockUnfinished = (transaction: Queries, analysisId: string) =>
  transaction
    .selectFrom('analysisJobs')
    .select(['id', 'status'])
    .where('analysisId', '=', analysisId)
    .where('status', 'in', ['pending', 'running'])
    .orderBy('id')
    .forUpdate()
    .execute()

/** Pending ones go with the analysis. */
async function endJobs(transaction: Queries, analysis: Analysis, force: boolean): Promise<void> {
  // With those that came before the analysis was locked.
  const unfinished = await lockUnfinished(transaction, analysis.id)
  const running = unfinished.filter(({ status }) => status === 'running')
  if (running.length > 0 && !force) {
    const jobs = running.length === 1 ? 'a job is' : `${running.length} jobs are`
    throw new KilnError('ANALYSIS_BUSY', `${jobs} running of the analysis "${analysis.name}"`, {
      hint: 'wait for them (kiln job list --status running), or add --force to cancel them',
      details: { running: running.map(({ id }) => id) },
    })
  }
  // Also a job that is deleted in the same transaction: the cancel is what stops its script.
  for (const { id } of running) await cancelJob(transaction, id, 'its analysis was deleted')
}

function inUse({ name }: Analysis, others: readonly string[]): KilnError {
  return new KilnError('ANALYSIS_IN_USE', `analyses declare "${name}": ${others.join(', ')}`, {
    hint: 'change or delete these too, or add --force',
    details: { analyses: others },
  })
}

interface ResultFile {
  readonly storagePath: string
  readonly dataFolderId: string | null
}

/** Files of other data folders are left to the cleanup that runs there, and so is one that stays. */
async function removeFiles(
  { settings }: DeleteContext,
  files: readonly ResultFile[],
): Promise<void> {
  if (files.length === 0) return
  const folder = await openDataFolder(settings.dataDir)
  for (const { storagePath, dataFolderId } of files) {
    const file = resultFile(folder.path, storagePath)
    if (dataFolderId !== folder.id || !file) continue
    await rm(file, { force: true }).catch(() => undefined)
  }
}
