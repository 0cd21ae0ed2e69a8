import type { ServiceAnswer, TargetAnswer } from '../../core/health/index.ts'
import { type KilnError, exitCodes } from '../../core/errors/index.ts'
import { maskPasswords, printable } from '../../core/units/index.ts'
import type { Column, JsonObject } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

export const targetJson = (answer: TargetAnswer): JsonObject => ({
  name: answer.name,
  url: maskPasswords(answer.url),
  status: answer.status,
  duration_ms: answer.durationMs,
  http_status: answer.httpStatus,
  reported_status: answer.reported,
  problem: answer.problem,
})

export const targetColumns: readonly Column<JsonObject>[] = [
  field('name', 'name'),
  field('status', 'status'),
  { header: 'time', text: (item) => `${plainText(item.duration_ms)} ms` },
  field('http', 'http_status', true),
  field('url', 'url', true),
  field('problem', 'problem'),
]

/** Degraded services work; whoever watches wants to know all the same. */
export function targetsExitCode(answers: readonly TargetAnswer[]): number {
  if (answers.some(({ status }) => status !== 'healthy')) return exitCodes.critical
  return answers.some(({ reported }) => reported === 'degraded') ? exitCodes.no : exitCodes.ok
}

const words: Readonly<Record<number, string>> = { 0: 'OK', 1: 'WARNING', 2: 'CRITICAL' }

/** One line as Nagios plugins print it: status, text, and figures after a bar. */
function nagiosLine(
  exitCode: number,
  text: string,
  figures: readonly (readonly [string, string | number])[],
): string {
  const performance = figures.map(([name, value]) => `'${name.replaceAll("'", '')}'=${value}`)
  const bar = performance.length > 0 ? ` | ${performance.join(' ')}` : ''
  // A bar in the text would begin the figures, and a second line is for others.
  const safe = printable(maskPasswords(text)).replaceAll('|', '/')
  return `KILN ${words[exitCode] ?? 'UNKNOWN'} - ${safe}${bar}`
}

/** What cannot even be asked is neither well nor ill. */
export const unknownLine = (error: KilnError): string =>
  nagiosLine(exitCodes.unknown, `${error.message} [${error.code}]`, [])

/** The same of one service, with the counts that it reports. */
export function serviceLine(
  { verdict, url, report, problem }: ServiceAnswer,
  code: number,
): string {
  const figures = ['running_jobs', 'jobs_processed', 'total_results', 'storage_mb'].flatMap(
    (name): [string, number][] => {
      const value = report?.[name]
      return typeof value === 'number' ? [[name, value]] : []
    },
  )
  return nagiosLine(code, `${url} is ${verdict}${problem ? `: ${problem}` : ''}`, figures)
}

/** The same of many: those that are not well first, by name. */
export function targetsLine(answers: readonly TargetAnswer[], code: number): string {
  const bad = answers.filter(({ status }) => status !== 'healthy')
  const text =
    bad.length === 0
      ? `${answers.length} healthy`
      : `${bad.length} of ${answers.length}: ${bad
          .map(({ name, status, problem }) => `${name} ${status} (${problem})`)
          .join(', ')}`
  return nagiosLine(
    code,
    text,
    answers.map(({ name, durationMs }) => [name, `${durationMs}ms`]),
  )
}
