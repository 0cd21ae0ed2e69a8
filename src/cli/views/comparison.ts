import type { ResultComparison } from '../../core/results/index.ts'
import type { JsonDifference } from '../../core/units/index.ts'
import type { Json, JsonObject, ListOutput } from '../output/output.ts'
import { field, plainText } from '../output/render.ts'

/** Characters of JSON text of a value; the rest of a long one is in the result itself. */
const longestValue = 200

/** Differences between two results as a list; exit code 1 says that there are some. */
export function comparisonOutput({ differences, count }: ResultComparison): ListOutput {
  return {
    kind: 'list',
    items: differences.map(differenceJson),
    summary: {
      equal: count === 0,
      difference_count: count,
      truncated: count > differences.length,
    },
    columns: [field('path', 'path'), field('kind', 'kind'), shown('a'), shown('b')],
    name: (difference) => plainText(difference.path),
    empty: 'the results are equal',
    exitCode: count === 0 ? 0 : 1,
  }
}

function differenceJson({ path, kind, a, b }: JsonDifference): JsonObject {
  const texts = { a: textOf(a), b: textOf(b) }
  return {
    path,
    kind,
    a: kind === 'added' ? null : (JSON.parse(texts.a.json) as Json),
    b: kind === 'removed' ? null : (JSON.parse(texts.b.json) as Json),
    is_cut: texts.a.isCut || texts.b.isCut,
  }
}

/** JSON of a value; of a long one the beginning of its JSON text, as a string. */
function textOf(value: unknown): { readonly json: string; readonly isCut: boolean } {
  const json = JSON.stringify(value ?? null)
  if (json.length <= longestValue) return { json, isCut: false }
  return { json: JSON.stringify(`${json.slice(0, longestValue).toWellFormed()}…`), isCut: true }
}

/** Strings keep their quotes here, so that "1" and 1 do not look alike; nothing is nothing. */
const shown = (side: 'a' | 'b') => ({
  header: side,
  text: (item: JsonObject) => {
    if (item.kind === (side === 'a' ? 'added' : 'removed')) return ''
    const value = item[side]
    return typeof value === 'string' && value.length > longestValue
      ? value
      : JSON.stringify(value ?? null)
  },
})
