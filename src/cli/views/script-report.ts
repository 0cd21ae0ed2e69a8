import { type ScriptReport, problemText } from '../../core/analyses/index.ts'
import { exitCodes } from '../../core/errors/index.ts'
import type { CiCase } from '../ci/report.ts'
import type { Column, JsonObject, Output } from '../output/output.ts'
import { type Format, field, plainText } from '../output/render.ts'

/** What `validate` found: lines that editors and CI jump to, or a list for programs. */
export function validationOutput(reports: readonly ScriptReport[], format: Format): Output {
  const exitCode = exitCodeOf(reports)
  if (format === 'table' || format === 'wide') {
    const text = reports.map(reportText).join('\n')
    return { kind: 'record', record: {}, text, name: '', exitCode }
  }
  return {
    kind: 'list',
    items: reports.map(reportJson),
    columns,
    name: (report) => plainText(report.file),
    exitCode,
  }
}

/** A missing file is a mistake of the caller and comes before what the scripts have wrong. */
function exitCodeOf(reports: readonly ScriptReport[]): number {
  const codes = reports.flatMap(({ problems }) => problems.map(({ code }) => code))
  if (codes.includes('FILE_NOT_FOUND')) return exitCodes.notFound
  return codes.length === 0 ? exitCodes.ok : exitCodes.no
}

function reportJson({ filename, problems }: ScriptReport): JsonObject {
  return {
    file: filename,
    valid: problems.length === 0,
    problems: problems.map(({ path, message, line, column, code }) => ({
      path,
      message,
      line,
      column,
      code,
    })),
  }
}

/** Only for the formats that are made of columns; people get `reportText`. */
const columns: readonly Column<JsonObject>[] = [field('file', 'file'), field('valid', 'valid')]

function reportText({ filename, problems }: ScriptReport): string {
  if (problems.length === 0) return `${filename}: valid`
  return problems
    .map((problem) => `${filename}:${problem.line === null ? ' ' : ''}${problemText(problem)}`)
    .join('\n')
}

/** The same for a pipeline: one case a script. */
export const scriptCases = (reports: readonly ScriptReport[]): readonly CiCase[] =>
  reports.map(({ filename, problems }) => ({
    group: 'validate',
    name: filename,
    outcome: problems.length === 0 ? 'passed' : 'failed',
    problems: problems.map(problemText),
    file: filename,
    line: problems[0]?.line,
    column: problems[0]?.column,
  }))
