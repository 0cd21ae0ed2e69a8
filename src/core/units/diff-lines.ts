/** Lines `from..from+length` of one text or both; as many `equal` ones stand in both. */
export interface LineChange {
  readonly kind: 'equal' | 'removed' | 'added'
  readonly lines: readonly string[]
}

/**
 * Past this many edits the texts have little in common, and the shortest way between them is neither
 * readable nor cheap (its cost grows with the square): what lies between the common beginning and
 * end is then removed and added as a whole.
 */
const maxEdits = 2000

/**
 * How one list of lines becomes another: by the fewest removals and additions (Myers' greedy
 * algorithm), removals before additions where both stand at one place. Pure.
 */
export function diffLines(a: readonly string[], b: readonly string[]): LineChange[] {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1
  let end = 0
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1
  const changes: LineChange[] = [{ kind: 'equal', lines: a.slice(0, start) }]
  changes.push(...diffMiddle(a.slice(start, a.length - end), b.slice(start, b.length - end)))
  changes.push({ kind: 'equal', lines: a.slice(a.length - end) })
  return changes.filter(({ lines }) => lines.length > 0)
}

function diffMiddle(a: readonly string[], b: readonly string[]): LineChange[] {
  const rounds = searchRounds(a, b)
  if (!rounds) {
    return [
      { kind: 'removed', lines: a },
      { kind: 'added', lines: b },
    ]
  }
  return joined(trace(a, b, rounds))
}

/**
 * For each number of edits the farthest line of `a` that each diagonal (line of `a` minus line of
 * `b`) reaches; the last round reaches the end of both. Undefined past `maxEdits`.
 */
function searchRounds(a: readonly string[], b: readonly string[]): Int32Array[] | undefined {
  const rounds: Int32Array[] = []
  let before = new Int32Array(1)
  for (let edits = 0; edits <= Math.min(maxEdits, a.length + b.length); edits += 1) {
    const reached = new Int32Array(2 * edits + 1)
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = edits === 0 ? 0 : stepTo(before, edits, diagonal).x
      while (x < a.length && x - diagonal < b.length && a[x] === b[x - diagonal]) x += 1
      reached[diagonal + edits] = x
      if (x >= a.length && x - diagonal >= b.length) return [...rounds, reached]
    }
    rounds.push(reached)
    before = reached
  }
  return undefined
}

/** The better of the two ways onto a diagonal: removing a line of `a`, or adding one of `b`. */
function stepTo(
  before: Int32Array,
  edits: number,
  diagonal: number,
): { readonly x: number; readonly isRemoval: boolean } {
  const at = (other: number): number => before[other + edits - 1] ?? -1
  const isRemoval =
    diagonal === edits || (diagonal !== -edits && at(diagonal - 1) >= at(diagonal + 1))
  return { x: isRemoval ? at(diagonal - 1) + 1 : at(diagonal + 1), isRemoval }
}

/** The way back from the end, line by line, in forward order. */
function trace(
  a: readonly string[],
  b: readonly string[],
  rounds: readonly Int32Array[],
): readonly (readonly [LineChange['kind'], string])[] {
  const steps: [LineChange['kind'], string][] = []
  let x = a.length
  let diagonal = a.length - b.length
  for (let edits = rounds.length - 1; edits >= 0; edits -= 1) {
    const before = rounds[edits - 1]
    const step = before ? stepTo(before, edits, diagonal) : { x: 0, isRemoval: false }
    for (; x > step.x; x -= 1) steps.push(['equal', a[x - 1] as string])
    if (!before) break
    if (step.isRemoval) steps.push(['removed', a[x - 1] as string])
    else steps.push(['added', b[x - diagonal - 1] as string])
    x -= step.isRemoval ? 1 : 0
    diagonal += step.isRemoval ? -1 : 1
  }
  return steps.reverse()
}

/** Neighbours of one kind together; within a changed place removals first. */
function joined(steps: readonly (readonly [LineChange['kind'], string])[]): LineChange[] {
  const changes: LineChange[] = []
  const place = { removed: [] as string[], added: [] as string[], equal: [] as string[] }
  const flush = (kinds: readonly LineChange['kind'][]): void => {
    for (const kind of kinds) {
      if (place[kind].length > 0) changes.push({ kind, lines: place[kind] })
      place[kind] = []
    }
  }
  for (const [kind, line] of steps) {
    flush(kind === 'equal' ? ['removed', 'added'] : ['equal'])
    place[kind].push(line)
  }
  flush(['equal', 'removed', 'added'])
  return changes
}
