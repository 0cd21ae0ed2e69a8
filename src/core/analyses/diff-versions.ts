import type { Context } from '../context.ts'
import { KilnError } from '../errors/index.ts'
import { type JsonDifference, type UnifiedDiff, compareJson, unifiedDiff } from '../units/index.ts'
import type { Analysis, AnalysisReference, AnalysisVersion } from './analysis.ts'
import type { AnalysisDefinition } from './definition.ts'
import { definitionJson } from './definition-json.ts'
import { getAnalysis } from './get-analysis.ts'
import type { JsonRecord } from './json-value.ts'
import { scriptFilename } from './script-file.ts'
import { getVersion } from './versions.ts'

export interface VersionDifference {
  readonly analysis: Analysis
  readonly a: AnalysisVersion
  readonly b: AnalysisVersion
  /** Of the scripts, from a to b. */
  readonly script: UnifiedDiff
  /** What the versions declare differently; null when one of them is not known. */
  readonly definition: readonly JsonDifference[] | null
}

/**
 * How two versions of an analysis differ. Without numbers the newest is compared with the one before
 * it; with one, that one with the newest.
 *
 * @throws KilnError ANALYSIS_NOT_FOUND, ANALYSIS_AMBIGUOUS, VERSION_NOT_FOUND, also when there is
 *   only one version to choose from.
 */
export async function diffVersions(
  context: Pick<Context, 'database'>,
  reference: AnalysisReference,
  numbers: { readonly a?: number | undefined; readonly b?: number | undefined },
): Promise<VersionDifference> {
  const analysis = await getAnalysis(context, reference)
  const numberA = numbers.a ?? analysis.version - 1
  if (numberA < 1) {
    throw new KilnError(
      'VERSION_NOT_FOUND',
      `analysis "${analysis.name}" has one version, and nothing to compare it with`,
      { hint: `make another: kiln analysis update ${analysis.name} FILE` },
    )
  }
  const a = await getVersion(context, analysis, numberA)
  const b = await getVersion(context, analysis, numbers.b)
  return {
    analysis,
    a,
    b,
    script: unifiedDiff(sideOf(analysis, a), sideOf(analysis, b)),
    definition: definitionChanges(a.definition, b.definition),
  }
}

/** After a tab the header may say more than the name: `patch` stops reading there. */
const sideOf = ({ name }: Analysis, { language, versionNumber, script }: AnalysisVersion) => ({
  label: `${scriptFilename(name, language)}\tversion ${versionNumber}`,
  text: script,
})

function definitionChanges(
  a: AnalysisDefinition | null,
  b: AnalysisDefinition | null,
): readonly JsonDifference[] | null {
  if (a === null || b === null) return null
  return [...compareJson(byName(a), byName(b))]
}

/** Lists whose order says nothing by name, so that one more parameter is one change. */
function byName(definition: AnalysisDefinition): JsonRecord {
  const { parameters, ...rest } = definitionJson(definition)
  const { datasources, analyses } = definition.dependencies
  const named = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, true]))
  return {
    ...rest,
    parameters: Array.isArray(parameters)
      ? Object.fromEntries(
          (parameters as readonly JsonRecord[]).map(({ name, ...fields }) => [name, fields]),
        )
      : 'any',
    dependencies: { datasources: named(datasources), analyses: named(analyses) },
  }
}
