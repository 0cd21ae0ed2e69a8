import { KilnError } from '../../core/errors/index.ts'
import type { JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

/**
 * The outcome of a command over many: each item says what became of it. All good: no error; some:
 * PARTIAL; a single one that is not there: its own error; otherwise the answer is no.
 */
export function bulkOutput(
  items: readonly JsonObject[],
  good: readonly string[],
  empty: string,
): ListOutput {
  const bad = items.filter((item) => !good.includes(plainText(item.outcome)))
  const error =
    bad.length === 0
      ? undefined
      : bad.length < items.length
        ? new KilnError('PARTIAL', `${bad.length} of ${items.length} failed: ${summary(bad)}`)
        : bad.every((item) => item.outcome === 'not_found')
          ? new KilnError('JOB_NOT_FOUND', `there is no job ${summaryIds(bad)}`, {
              hint: 'run: kiln job list',
            })
          : new KilnError('NOT_DONE', summary(bad))
  return {
    kind: 'list',
    items,
    columns: [
      field('id', 'id'),
      field('outcome', 'outcome'),
      field('new job', 'new_job_id'),
    ].filter((column, index) => index < 2 || items.some((item) => column.text(item) !== '')),
    name: (item) => plainText(item.new_job_id ?? item.id),
    empty,
    ...(error ? { error } : {}),
  }
}

const summary = (items: readonly JsonObject[]) =>
  items
    .slice(0, 5)
    .map((item) => `${plainText(item.id)} is ${plainText(item.outcome).replaceAll('_', ' ')}`)
    .join(', ') + (items.length > 5 ? ', …' : '')

const summaryIds = (items: readonly JsonObject[]) =>
  items
    .slice(0, 5)
    .map((item) => plainText(item.id))
    .join(', ')
