/** One place where two JSON values differ. */
export interface JsonDifference {
  /** `$.rows[3].name`, `$["a key"]`; `$` is the whole value. */
  readonly path: string
  readonly kind: 'added' | 'removed' | 'changed'
  /** Absent where the kind says so. */
  readonly a?: unknown
  readonly b?: unknown
}

interface Place {
  readonly parent: Place | undefined
  readonly key: string | number
}

interface Pair {
  readonly a: unknown
  readonly b: unknown
  readonly place: Place | undefined
}

/**
 * Where two JSON values differ, in the order of the first: objects by key whatever their order,
 * arrays by position, numbers by value. Walks without recursion, so that no depth is too deep, and
 * yields as it goes, so that a million differences need no memory.
 */
export function* compareJson(a: unknown, b: unknown): Generator<JsonDifference> {
  const open: Iterator<Pair>[] = [[{ a, b, place: undefined }].values()]
  for (;;) {
    const next = open.at(-1)?.next()
    if (!next) return
    if (next.done) {
      open.pop()
      continue
    }
    const pair = next.value
    const children = childrenOf(pair)
    if (children) open.push(children)
    else if (pair.a !== pair.b) yield toDifference(pair)
  }
}

/** Pairs below this one when both sides are objects, or both arrays. `undefined` is not there. */
function childrenOf({ a, b, place }: Pair): Iterator<Pair> | undefined {
  if (Array.isArray(a) && Array.isArray(b)) return itemPairs(a, b, place)
  if (isObject(a) && isObject(b)) return fieldPairs(a, b, place)
  return undefined
}

function* itemPairs(
  a: readonly unknown[],
  b: readonly unknown[],
  parent: Place | undefined,
): Generator<Pair> {
  const length = Math.max(a.length, b.length)
  for (let key = 0; key < length; key += 1) yield { a: a[key], b: b[key], place: { parent, key } }
}

function* fieldPairs(a: JsonFields, b: JsonFields, parent: Place | undefined): Generator<Pair> {
  for (const key of Object.keys(a)) {
    yield { a: a[key], b: Object.hasOwn(b, key) ? b[key] : undefined, place: { parent, key } }
  }
  for (const key of Object.keys(b)) {
    if (!Object.hasOwn(a, key)) yield { a: undefined, b: b[key], place: { parent, key } }
  }
}

type JsonFields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is JsonFields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function toDifference({ a, b, place }: Pair): JsonDifference {
  const path = pathOf(place)
  if (a === undefined) return { path, kind: 'added', b }
  if (b === undefined) return { path, kind: 'removed', a }
  return { path, kind: 'changed', a, b }
}

function pathOf(place: Place | undefined): string {
  const steps: string[] = []
  for (let at = place; at; at = at.parent) steps.push(stepOf(at.key))
  return `$${steps.toReversed().join('')}`
}

function stepOf(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}
