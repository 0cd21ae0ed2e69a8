/**
 * Analyses: what a script declares, its parameters, its versions in the database. A script is only
 * ever looked at inside a sandbox; what comes back from there is checked here, once per version.
 */
export type {
  Analysis,
  AnalysisReference,
  AnalysisVersion,
  Language,
  RunnableAnalysis,
} from './analysis.ts'
export type {
  AnalysisDefinition,
  DatabaseMode,
  ParameterDefinition,
  ParameterOption,
  ParameterType,
  ScriptProblem,
} from './definition.ts'
export { type ProjectNames, projectNames } from './check-dependencies.ts'
export { definitionJson } from './definition-json.ts'
export { type VersionDifference, diffVersions } from './diff-versions.ts'
export type { JsonRecord, JsonValue } from './json-value.ts'
export {
  type CreateAnalysisInput,
  type CreatedAnalysis,
  createAnalysis,
} from './create-analysis.ts'
export { type FoundAnalysis, findOrStoreAnalysis } from './find-or-store-analysis.ts'
export { getAnalysis, isAnalysisId } from './get-analysis.ts'
export { type InitScriptInput, type InitializedScript, initScript } from './init-script.ts'
export {
  type Inspect,
  type ScriptInspection,
  inspectScript,
  problemText,
  problemsText,
  validateInspection,
} from './inspect-script.ts'
export { type AnalysisFilter, type AnalysisPage, listAnalyses } from './list-analyses.ts'
export { findRunnable, loadRunnable } from './load-runnable.ts'
export { type Inspector, openInspector } from './open-inspector.ts'
export { requireChoice, requireOptions, resolveForOptions } from './parameter-options.ts'
export { parseParameterTexts } from './parse-parameter-texts.ts'
export { type Moment, resolveRelativeDate } from './relative-date.ts'
export { type ParameterProblem, resolveParameters } from './resolve-parameters.ts'
export { type RestoreVersionInput, restoreVersion } from './restore-version.ts'
export { storeDefinition } from './save-definition.ts'
export { scheduleState } from './schedule-state.ts'
export {
  type ScriptFile,
  auditState,
  decodeScript,
  readScriptFile,
  scriptOf,
} from './script-file.ts'
export { type SetActiveOutcome, setAnalysesActive } from './set-active.ts'
export {
  type UpdateAnalysisInput,
  type UpdatedAnalysis,
  updateAnalysis,
} from './update-analysis.ts'
export { type ScriptReport, type ValidateOptions, validateScripts } from './validate-scripts.ts'
export { getVersion, listVersions } from './versions.ts'
