import { printableLines } from '../../core/units/printable.ts'
import type { CiCase } from './report.ts'

/** GitHub shows ten of a kind and step; the others stand in the summary. */
const mostAnnotations = 10
/** GitHub refuses a longer one of a step. */
const longestSummary = 1024 * 1024

/** Workflow commands: one annotation for each case that is not passed. */
export function annotations(cases: readonly CiCase[]): readonly string[] {
  return cases
    .filter(({ outcome }) => outcome !== 'passed')
    .slice(0, mostAnnotations)
    .map(({ group, name, problems, file, line, column }) => {
      const properties = [
        ...(file === undefined ? [] : [`file=${property(file)}`]),
        ...(typeof line === 'number' ? [`line=${line}`] : []),
        ...(typeof column === 'number' ? [`col=${column}`] : []),
        `title=${property(`${group}: ${name}`)}`,
      ]
      return `::error ${properties.join(',')}::${message(problems.join('\n'))}`
    })
}

/** Markdown for the step's summary, whole lines as long as there is room. */
export function stepSummary(suite: string, cases: readonly CiCase[]): string {
  const failed = cases.filter(({ outcome }) => outcome !== 'passed')
  const lines = [
    `### ${markdown(suite)}: ${cases.length - failed.length} passed, ${failed.length} failed`,
    '',
    ...(failed.length > 0 ? ['| what | why |', '| --- | --- |'] : []),
    ...failed.map(
      ({ group, name, problems }) =>
        `| ${markdown(`${group}: ${name}`)} | ${problems.map(markdown).join('<br>')} |`,
    ),
    '',
  ]
  const kept: string[] = []
  let bytes = 0
  for (const line of lines) {
    bytes += Buffer.byteLength(line) + 1
    if (bytes > longestSummary) break
    kept.push(`${line}\n`)
  }
  return kept.join('')
}

/** The runner shows it on a terminal of its own. */
const message = (text: string): string =>
  printableLines(text.replaceAll('\r\n', '\n'))
    .replaceAll('%', '%25')
    .replaceAll('\r', '%0D')
    .replaceAll('\n', '%0A')

const property = (text: string): string =>
  message(text).replaceAll(':', '%3A').replaceAll(',', '%2C')

/** In a cell of a table, whatever stands in the text. */
const markdown = (text: string): string =>
  printableLines(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/[\\`*_[\]|#]/g, '\\$&')
    .replaceAll(/\s*\n\s*/g, '<br>')
