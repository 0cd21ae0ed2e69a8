import { KilnError } from '../../core/errors/index.ts'
import type { Column, JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

export interface BulkOptions {
  /** Outcomes that are what was asked for. */
  readonly good: readonly string[]
  /** Said when there was nothing to do. */
  readonly empty: string
  /** Why items failed, if there is more to say than their outcome. */
  readonly errors?: readonly KilnError[]
  /** For other things than jobs: how they are shown, what one is called, how it is missed. */
  readonly columns?: readonly Column<JsonObject>[]
  readonly label?: (item: JsonObject) => string
  readonly notFound?: (labels: string) => KilnError
}

const jobColumns = [
  field('id', 'id'),
  field('outcome', 'outcome'),
  field('new job', 'new_job_id'),
  field('reason', 'error_message'),
]
const jobLabel = (item: JsonObject): string => plainText(item.id)
const noJob = (ids: string): KilnError =>
  new KilnError('JOB_NOT_FOUND', `there is no job ${ids}`, { hint: 'run: kiln job list' })

/**
 * The outcome of a command over many jobs or analyses: each item says what became of it. All good: no error;
 * some: PARTIAL; none, for one reason: that reason's error; otherwise the answer is no. `-o name`
 * prints those for which it worked.
 */
export function bulkOutput(items: readonly JsonObject[], options: BulkOptions): ListOutput {
  const { good, empty, columns = jobColumns } = options
  const isGood = (item: JsonObject) => good.includes(plainText(item.outcome))
  const bad = items.filter((item) => !isGood(item))
  const error = bulkError(bad, items.length, options)
  return {
    kind: 'list',
    items,
    columns: columns.filter(
      (column, index) => index < 2 || items.some((item) => column.text(item) !== ''),
    ),
    name: (item) => (isGood(item) ? plainText(item.new_job_id ?? item.id) : ''),
    empty,
    ...(error ? { error } : {}),
  }
}

function bulkError(
  bad: readonly JsonObject[],
  total: number,
  { errors = [], label = jobLabel, notFound = noJob }: BulkOptions,
): KilnError | undefined {
  if (bad.length === 0) return undefined
  const reasonOf = (item: JsonObject): string =>
    `${label(item)} is ${plainText(item.outcome).replaceAll('_', ' ')}`
  if (bad.length < total) {
    return new KilnError('PARTIAL', `${bad.length} of ${total} failed: ${firstOf(bad, reasonOf)}`)
  }
  const [first] = errors
  if (first && bad.length === 1) return first
  if (bad.every((item) => item.outcome === 'not_found')) {
    return notFound(firstOf(bad, label))
  }
  const code = errors.every((error) => error.code === first?.code) ? first?.code : undefined
  return new KilnError(code ?? 'NOT_DONE', firstOf(bad, reasonOf))
}

const firstOf = (items: readonly JsonObject[], text: (item: JsonObject) => string): string =>
  items.slice(0, 5).map(text).join(', ') + (items.length > 5 ? ', …' : '')
