import type { CleanupReport } from '../../core/cleanup/index.ts'
import { KilnError } from '../../core/errors/index.ts'
import { formatSize } from '../../core/units/index.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

interface Shown {
  readonly dryRun: boolean
  /** With the rule by which each kind went. */
  readonly explain: boolean
}

/** What `kiln cleanup` answers: one item a kind. */
export function cleanupOutput(report: CleanupReport, { dryRun, explain }: Shown): ListOutput {
  const error = errorOf(report)
  return {
    kind: 'list',
    items: report.items.map(({ kind, rule, count, files, bytes, state }) => ({
      kind,
      [dryRun ? 'would_delete' : 'deleted']: count,
      files,
      size_bytes: bytes,
      state,
      rule,
    })),
    columns: [
      field('kind', 'kind'),
      field(dryRun ? 'would delete' : 'deleted', dryRun ? 'would_delete' : 'deleted'),
      field('files', 'files'),
      { header: 'size', text: (item) => formatSize(Number(item.size_bytes)) },
      field('state', 'state'),
      field('rule', 'rule', !(explain || dryRun)),
    ],
    nextCursor: null,
    summary: summaryOf(report, dryRun),
    name: (item) => plainText(item.kind),
    ...(error ? { error } : {}),
  }
}

const summaryOf = (report: CleanupReport, dryRun: boolean): JsonObject => ({
  dry_run: dryRun,
  complete: report.items.every(({ state }) => state === 'done'),
  duration_ms: report.durationMs,
  vacuumed_tables: report.vacuumedTables,
  notes: report.notes,
  problems: report.problems,
  problem_count: report.problemCount,
})

/** The answer is printed first: what went is gone whatever stayed. */
function errorOf({ items, problems, problemCount }: CleanupReport): KilnError | undefined {
  if (problemCount > 0) {
    const more = problemCount > problems.length ? ` and ${problemCount - problems.length} more` : ''
    return new KilnError('PARTIAL', `not all could go: ${problems.join('; ')}${more}`, {
      hint: 'mend what is named, then run the cleanup again',
      details: { problems, problem_count: problemCount },
    })
  }
  if (items.some(({ state }) => state === 'unfinished')) {
    return new KilnError('CLEANUP_UNFINISHED', 'the time is over, and there is more to clean', {
      hint: 'run it again: it goes on where it stopped',
    })
  }
  return undefined
}
