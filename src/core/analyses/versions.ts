import type { Context } from '../context.ts'
import type { Queries } from '../database/index.ts'
import { KilnError } from '../errors/index.ts'
import type { Analysis, AnalysisVersion, Language } from './analysis.ts'
import { type AnalysisDefinition, definitionFormat } from './definition.ts'
import { isRecord } from './json-value.ts'

/** Versions of an analysis, newest first. */
export async function listVersions(
  { database }: Pick<Context, 'database'>,
  analysisId: string,
): Promise<readonly AnalysisVersion[]> {
  const rows = await selectVersions(database.queries)
    .where('analysisId', '=', analysisId)
    .orderBy('versionNumber', 'desc')
    .execute()
  return rows.map(toVersion)
}

/**
 * One version of an analysis; the newest unless told.
 *
 * @throws KilnError VERSION_NOT_FOUND.
 */
export async function getVersion(
  { database }: Pick<Context, 'database'>,
  analysis: Pick<Analysis, 'id' | 'name' | 'version'>,
  versionNumber: number = analysis.version,
): Promise<AnalysisVersion> {
  const row = await selectVersions(database.queries)
    .where('analysisId', '=', analysis.id)
    .where('versionNumber', '=', versionNumber)
    .executeTakeFirst()
  if (row) return toVersion(row)
  throw new KilnError(
    'VERSION_NOT_FOUND',
    `analysis "${analysis.name}" has no version ${versionNumber}, the newest is ${analysis.version}`,
    { hint: `run: kiln analysis versions ${analysis.name}` },
  )
}

export const versionColumns = [
  'analysisVersions.analysisId',
  'analysisVersions.versionNumber',
  'analysisVersions.scriptContent',
  'analysisVersions.changeDescription',
  'analysisVersions.createdBy',
  'analysisVersions.createdAt',
  'analysisVersions.metadata',
  'analysisVersions.definition',
  'analysisVersions.definitionError',
] as const

function selectVersions(queries: Queries) {
  return queries.selectFrom('analysisVersions').select(versionColumns)
}

type VersionRow = Awaited<ReturnType<ReturnType<typeof selectVersions>['execute']>>[number]

export function toVersion(row: VersionRow): AnalysisVersion {
  return {
    analysisId: row.analysisId,
    versionNumber: row.versionNumber,
    script: row.scriptContent,
    language: languageOf(row.metadata),
    changeDescription: row.changeDescription,
    createdBy: row.createdBy,
    createdAt: row.createdAt,
    definition: storedDefinition(row.definition),
    definitionError: row.definitionError,
  }
}

/** One that another release of Kiln stored in another shape counts as not read yet. */
export function storedDefinition(json: unknown): AnalysisDefinition | null {
  if (!isRecord(json) || json.format !== definitionFormat) return null
  return json as unknown as AnalysisDefinition
}

function languageOf(metadata: unknown): Language | undefined {
  const language = isRecord(metadata) ? metadata.language : undefined
  return language === 'javascript' || language === 'typescript' ? language : undefined
}
