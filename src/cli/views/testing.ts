import path from 'node:path'
import { exitCodes } from '../../core/errors/index.ts'
import type { CaseReport } from '../../core/testing/index.ts'
import type { CiCase } from '../ci/report.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { printableLines } from '../../core/units/printable.ts'
import { field, plainText } from '../output/render.ts'

/** What `kiln test` answers: one item a case, and a line that sums up. */
export function testsOutput(reports: readonly CaseReport[]): ListOutput {
  const count = (wanted: CaseReport['outcome']): number =>
    reports.filter(({ outcome }) => outcome === wanted).length
  const [passed, failed, errors] = [count('passed'), count('failed'), count('error')]
  return {
    kind: 'list',
    items: reports.map(caseJson),
    columns: [field('outcome', 'outcome'), field('test', 'name'), field('time', 'duration_ms')],
    lines: [`${passed} passed, ${failed} failed${errors > 0 ? `, ${errors} with errors` : ''}`],
    nextCursor: null,
    summary: { passed, failed, errors },
    name: (item) => (item.outcome === 'passed' ? '' : plainText(item.name)),
    exitCode: failed + errors > 0 ? exitCodes.no : exitCodes.ok,
  }
}

const caseJson = (report: CaseReport): JsonObject => ({
  file: report.file,
  name: report.name,
  outcome: report.outcome,
  problems: report.problems,
  line: report.line,
  logs: report.logs.map(({ level, message }) => ({ level, message })),
  duration_ms: report.durationMs,
})

const words: Readonly<Record<CaseReport['outcome'], string>> = {
  passed: 'ok  ',
  failed: 'FAIL',
  error: 'ERR ',
}

/** Said while it goes on. */
export function caseLine(report: CaseReport, withLogs: boolean): string {
  const { name, outcome, problems, logs, durationMs, line, script } = report
  const place = line === null ? '' : ` (${path.basename(script)}:${line})`
  const lines = [
    `${words[outcome]}  ${name}${place}  ${durationMs} ms`,
    ...problems.map((problem) => `      ${problem.replaceAll('\n', '\n      ')}`),
    ...(withLogs || outcome !== 'passed'
      ? logs.map(({ level, message }) => `      ${level}  ${message}`)
      : []),
  ]
  return printableLines(lines.join('\n'))
}

/** The same for a pipeline. */
export const testCases = (reports: readonly CaseReport[], folder: string): readonly CiCase[] =>
  reports.map(({ file, name, outcome, problems, script, line, logs, durationMs }) => ({
    group: file,
    name,
    outcome,
    problems,
    file: script === '' ? path.join(folder, file) : path.relative('.', script),
    line,
    durationMs,
    log: logs.map(({ level, message }) => `${level}  ${message}`).join('\n'),
  }))
