import type { VersionDifference } from '../../core/analyses/index.ts'
import type { JsonDifference } from '../../core/units/index.ts'
import type { Json, JsonObject, ValueOutput } from '../output/output.ts'
import { printableLines } from '../../core/units/printable.ts'
import { versionJson } from './analysis.ts'

/**
 * Two versions side by side: a diff that `patch` takes, below what they declare differently, which
 * `patch` skips. Exit code 1 says that they differ. Into a pipe the lines of the scripts go as they
 * are; on a terminal their control characters are escaped.
 */
export function versionDifference(
  { analysis, a, b, script, definition }: VersionDifference,
  isTerminal: boolean,
): ValueOutput {
  const isEqual = script.text === ''
  const parts = [...(isEqual ? [] : declaredLines(definition)), script.text]
  const text = parts.filter((part) => part !== '').join('\n')
  return {
    kind: 'value',
    json: JSON.stringify({
      analysis_id: analysis.id,
      analysis_name: analysis.name,
      project_id: analysis.projectId,
      a: versionJson(a),
      b: versionJson(b),
      equal: isEqual,
      added_lines: script.addedLines,
      removed_lines: script.removedLines,
      diff: script.text,
      definition_changes: definition?.map(changeJson) ?? null,
    }),
    text: isTerminal ? printableLines(text) : text,
    name: isEqual ? '' : analysis.id,
    exitCode: isEqual ? 0 : 1,
  }
}

function changeJson({ path, kind, a, b }: JsonDifference): JsonObject {
  return {
    path: pathOf(path),
    kind,
    a: (a as Json | undefined) ?? null,
    b: (b as Json | undefined) ?? null,
  }
}

/** Without the root: all of it is the definition. */
const pathOf = (path: string): string => path.replace(/^\$\.?/, '')

function declaredLines(changes: readonly JsonDifference[] | null): string[] {
  if (!changes) return ['# what one of the versions declares has not been read yet']
  return changes.map(({ path, kind, a, b }) => {
    const values = [a, b].filter((value) => value !== undefined).map((value) => shown(value))
    return `# ${kind} ${pathOf(path)}: ${values.join(' -> ')}`
  })
}

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}
