import path from 'node:path'
import { exitCodes } from '../../core/errors/index.ts'
import type { CaseReport } from '../../core/testing/index.ts'
import type { CiCase } from '../ci/report.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { printableLines } from '../../core/units/printable.ts'
import { field, plainText } from '../output/render.ts'

/** What `kiln test` answers: one item a case, and a line that sums up. */
export function testsOutput(reports: readonly CaseReport[]): ListOutput {
  const failed = reports.filter(({ outcome }) => outcome === 'failed').length
  return {
    kind: 'list',
    items: reports.map(caseJson),
    columns: [field('outcome', 'outcome'), field('test', 'name'), field('time', 'duration_ms')],
    lines: [`${reports.length - failed} passed, ${failed} failed`],
    nextCursor: null,
    summary: { passed: reports.length - failed, failed },
    name: (item) => (item.outcome === 'failed' ? plainText(item.name) : ''),
    exitCode: failed > 0 ? exitCodes.no : exitCodes.ok,
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

/** Said while it goes on. */
export function caseLine(report: CaseReport, withLogs: boolean): string {
  const { name, outcome, problems, logs, durationMs, line, script } = report
  const place = line === null ? '' : ` (${path.basename(script)}:${line})`
  const lines = [
    `${outcome === 'passed' ? 'ok  ' : 'FAIL'}  ${name}${place}  ${durationMs} ms`,
    ...problems.map((problem) => `      ${problem.replaceAll('\n', '\n      ')}`),
    ...(withLogs || outcome === 'failed'
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
