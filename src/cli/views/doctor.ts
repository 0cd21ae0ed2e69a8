import type { Check, CheckResult, DoctorReport } from '../../core/health/index.ts'
import { exitCodes } from '../../core/errors/index.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

const exitCodeOf = {
  ok: exitCodes.ok,
  skipped: exitCodes.ok,
  warning: exitCodes.no,
  critical: exitCodes.critical,
} as const

/** What `kiln doctor` answers: one item a check. */
export function doctorOutput({ results, status }: DoctorReport): ListOutput {
  const count = countOf(results)
  return {
    kind: 'list',
    items: results.map(resultJson),
    columns: [
      field('status', 'status'),
      field('check', 'id'),
      field('fact', 'fact'),
      field('threshold', 'threshold', true),
      { header: 'time', text: (item) => `${Number(item.duration_ms)} ms`, isWide: true },
      field('mend', 'mend'),
    ],
    nextCursor: null,
    summary: {
      status,
      ok: count('ok'),
      warning: count('warning'),
      critical: count('critical'),
      skipped: count('skipped'),
      fixed: results.filter(({ isFixed }) => isFixed).length,
    },
    name: (item) => plainText(item.id),
    exitCode: exitCodeOf[status],
  }
}

const countOf =
  (results: readonly CheckResult[]) =>
  (wanted: CheckResult['status']): number =>
    results.filter((result) => result.status === wanted).length

/** The last line for people: the table is long. */
export function doctorSummary({ results }: DoctorReport): string {
  const count = countOf(results)
  const found = (['critical', 'warning', 'skipped', 'ok'] as const).map(
    (status) => `${count(status)} ${status}`,
  )
  return `${results.length} checks: ${found.join(', ')}`
}

const resultJson = (result: CheckResult): JsonObject => ({
  id: result.check.id,
  group: result.check.group,
  title: result.check.title,
  status: result.status,
  fact: result.fact,
  threshold: result.threshold ?? null,
  mend: result.mend ?? null,
  fixed: result.isFixed,
  duration_ms: result.durationMs,
})

/** What `kiln doctor --list` answers. */
export function checksOutput(checks: readonly Check[]): ListOutput {
  return {
    kind: 'list',
    items: checks.map(({ id, group, title }) => ({ id, group, title })),
    columns: [field('check', 'id'), field('makes sure that', 'title')],
    nextCursor: null,
    name: (item) => plainText(item.id),
  }
}
