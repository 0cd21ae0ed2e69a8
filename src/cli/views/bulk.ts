import { KilnError } from '../../core/errors/index.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

export interface BulkOptions {
  /** Outcomes that are what was asked for. */
  readonly good: readonly string[]
  /** Said when there was nothing to do. */
  readonly empty: string
  /** Why items failed, if there is more to say than their outcome. */
  readonly errors?: readonly KilnError[]
}

/**
 * The outcome of a command over many jobs: each item says what became of it. All good: no error;
 * some: PARTIAL; none, for one reason: that reason's error; otherwise the answer is no. `-o name`
 * prints the jobs for which it worked.
 */
export function bulkOutput(
  items: readonly JsonObject[],
  { good, empty, errors = [] }: BulkOptions,
): ListOutput {
  const isGood = (item: JsonObject) => good.includes(plainText(item.outcome))
  const bad = items.filter((item) => !isGood(item))
  const error = bulkError(bad, items.length, errors)
  return {
    kind: 'list',
    items,
    columns: [
      field('id', 'id'),
      field('outcome', 'outcome'),
      field('new job', 'new_job_id'),
      field('reason', 'error_message'),
    ].filter((column, index) => index < 2 || items.some((item) => column.text(item) !== '')),
    name: (item) => (isGood(item) ? plainText(item.new_job_id ?? item.id) : ''),
    empty,
    ...(error ? { error } : {}),
  }
}

function bulkError(
  bad: readonly JsonObject[],
  total: number,
  errors: readonly KilnError[],
): KilnError | undefined {
  if (bad.length === 0) return undefined
  if (bad.length < total) {
    return new KilnError('PARTIAL', `${bad.length} of ${total} failed: ${firstOf(bad, reasonOf)}`)
  }
  const [first] = errors
  if (first && bad.length === 1) return first
  if (bad.every((item) => item.outcome === 'not_found')) {
    const ids = firstOf(bad, (item) => plainText(item.id))
    return new KilnError('JOB_NOT_FOUND', `there is no job ${ids}`, { hint: 'run: kiln job list' })
  }
  const code = errors.every((error) => error.code === first?.code) ? first?.code : undefined
  return new KilnError(code ?? 'NOT_DONE', firstOf(bad, reasonOf))
}

const reasonOf = (item: JsonObject): string =>
  `${plainText(item.id)} is ${plainText(item.outcome).replaceAll('_', ' ')}`

const firstOf = (items: readonly JsonObject[], text: (item: JsonObject) => string): string =>
  items.slice(0, 5).map(text).join(', ') + (items.length > 5 ? ', …' : '')
