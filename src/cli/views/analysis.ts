import { type Analysis, type AnalysisVersion, definitionJson } from '../../core/analyses/index.ts'
import type { Column, Json, JsonObject, RecordOutput, ValueOutput } from '../output/output.ts'
import { printableLines } from '../../core/units/printable.ts'
import { field } from '../output/render.ts'
import { age } from './age.ts'
import { definitionFields } from './definition.ts'

/** An analysis as commands print it, without its script. */
export function analysisJson(analysis: Analysis): JsonObject {
  return {
    id: analysis.id,
    name: analysis.name,
    title: analysis.title,
    project_id: analysis.projectId,
    version: analysis.version,
    is_active: analysis.isActive,
    metadata: analysis.metadata as Json,
    created_by: analysis.createdBy,
    created_at: analysis.createdAt,
    updated_at: analysis.updatedAt,
  }
}

export const analysisColumns: readonly Column<JsonObject>[] = [
  field('name', 'name'),
  field('project', 'project_id'),
  field('version', 'version'),
  field('title', 'title'),
  { header: 'active', text: (analysis) => (analysis.is_active === true ? 'yes' : 'no') },
  { header: 'updated', text: (analysis) => age(analysis.updated_at) },
  field('id', 'id', true),
  field('created at', 'created_at', true),
  field('created by', 'created_by', true),
]

/** What `create` and `update` answer. */
export function savedAnalysis(analysis: Analysis): RecordOutput {
  return {
    kind: 'record',
    record: analysisJson(analysis),
    fields: [
      ['id', analysis.id],
      ['name', analysis.name],
      ['project', analysis.projectId],
      ['version', String(analysis.version)],
    ],
    name: analysis.id,
  }
}

/** An analysis with one of its versions. */
export function analysisRecord(analysis: Analysis, version: AnalysisVersion): RecordOutput {
  return {
    kind: 'record',
    record: { ...analysisJson(analysis), shown_version: versionJson(version) },
    fields: [
      ['id', analysis.id],
      ['name', analysis.name],
      ['title', analysis.title],
      ['project', analysis.projectId],
      ['version', versionText(analysis, version)],
      ['active', analysis.isActive ? 'yes' : 'no'],
      ['updated', age(analysis.updatedAt)],
      ...(version.definition ? definitionFields(version.definition) : []),
      ...(version.definitionError === null
        ? []
        : [['definition error', version.definitionError] as const]),
      ...(version.definition === null && version.definitionError === null
        ? [['definition', 'not read yet: the first job reads it'] as const]
        : []),
    ],
    name: analysis.id,
  }
}

function versionText(analysis: Analysis, { versionNumber }: AnalysisVersion): string {
  return versionNumber === analysis.version
    ? String(versionNumber)
    : `${versionNumber} (newest: ${analysis.version})`
}

/** A version without its script. */
export function versionJson(version: AnalysisVersion): JsonObject {
  return {
    version: version.versionNumber,
    change_description: version.changeDescription,
    created_by: version.createdBy,
    created_at: version.createdAt,
    language: version.language ?? null,
    script_bytes: Buffer.byteLength(version.script),
    definition: version.definition === null ? null : definitionJson(version.definition),
    definition_error: version.definitionError,
  }
}

export const versionColumns: readonly Column<JsonObject>[] = [
  field('version', 'version'),
  { header: 'created', text: (version) => age(version.created_at) },
  field('by', 'created_by'),
  field('change', 'change_description'),
  {
    header: 'definition',
    text: (version) =>
      version.definition_error === null
        ? version.definition === null
          ? 'not read'
          : 'ok'
        : 'error',
  },
  field('created at', 'created_at', true),
  field('bytes', 'script_bytes', true),
]

/**
 * The script itself. Into a file or pipe it goes as it is; on a terminal its control characters are
 * escaped.
 */
export function scriptOutput(
  analysis: Analysis,
  version: AnalysisVersion,
  isTerminal: boolean,
): ValueOutput {
  // The output ends with a line break of its own.
  const script = version.script.replace(/\n$/, '')
  return {
    kind: 'value',
    json: JSON.stringify({
      ...analysisJson(analysis),
      shown_version: { ...versionJson(version), script: version.script },
    }),
    text: isTerminal ? printableLines(script) : script,
    name: analysis.id,
  }
}
