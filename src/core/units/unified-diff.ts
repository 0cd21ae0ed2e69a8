import { type LineChange, diffLines } from './diff-lines.ts'

export interface UnifiedDiff {
  /** As `diff -u` writes it and `patch` reads it, without the final line break; empty when equal. */
  readonly text: string
  readonly addedLines: number
  readonly removedLines: number
}

/** One side of a diff: its text, and what the header says of it. */
export interface DiffSide {
  readonly label: string
  readonly text: string
}

/** Lines around a change that are shown, as everybody shows them. */
const contextLines = 3

interface Hunk {
  readonly startA: number
  readonly startB: number
  countA: number
  countB: number
  readonly lines: string[]
}

/** The difference between two texts in the unified format. Pure. */
export function unifiedDiff(a: DiffSide, b: DiffSide): UnifiedDiff {
  const changes = diffLines(linesOf(a.text), linesOf(b.text))
  const hunks = hunksOf(changes)
  const count = (kind: LineChange['kind']): number =>
    changes.reduce((sum, change) => sum + (change.kind === kind ? change.lines.length : 0), 0)
  const head = [`--- ${a.label}`, `+++ ${b.label}`]
  return {
    text: hunks.length === 0 ? '' : [...head, ...hunks.flatMap(hunkText)].join('\n'),
    addedLines: count('added'),
    removedLines: count('removed'),
  }
}

/** A last line without a line break differs from the same with one, and says so as `diff` does. */
function linesOf(text: string): string[] {
  const lines = text.split('\n')
  const last = lines.pop()
  return last ? [...lines, `${last}\n\\ No newline at end of file`] : lines
}

const marks = { equal: ' ', removed: '-', added: '+' } as const

function hunksOf(changes: readonly LineChange[]): Hunk[] {
  const hunks: Hunk[] = []
  let open: Hunk | undefined
  let lineA = 1
  let lineB = 1
  changes.forEach(({ kind, lines }, index) => {
    if (kind !== 'equal') {
      const before = changes[index - 1]
      open ??= startHunk(before?.kind === 'equal' ? before.lines : [], lineA, lineB)
      add(open, kind, lines)
    } else if (open) {
      const isLast = index === changes.length - 1
      // Two changes closer than both their contexts share a hunk.
      if (!isLast && lines.length <= 2 * contextLines) add(open, kind, lines)
      else {
        add(open, kind, lines.slice(0, contextLines))
        hunks.push(open)
        open = undefined
      }
    }
    if (kind !== 'added') lineA += lines.length
    if (kind !== 'removed') lineB += lines.length
  })
  return open ? [...hunks, open] : hunks
}

function startHunk(before: readonly string[], lineA: number, lineB: number): Hunk {
  const context = before.slice(-contextLines)
  const hunk = {
    startA: lineA - context.length,
    startB: lineB - context.length,
    countA: 0,
    countB: 0,
    lines: [],
  }
  add(hunk, 'equal', context)
  return hunk
}

function add(hunk: Hunk, kind: LineChange['kind'], lines: readonly string[]): void {
  for (const line of lines) hunk.lines.push(marks[kind] + line)
  if (kind !== 'added') hunk.countA += lines.length
  if (kind !== 'removed') hunk.countB += lines.length
}

function hunkText({ startA, countA, startB, countB, lines }: Hunk): string[] {
  return [`@@ -${range(startA, countA)} +${range(startB, countB)} @@`, ...lines]
}

/** `5,2`; a single line is its number alone, and no line is the one before. */
function range(start: number, count: number): string {
  if (count === 1) return String(start)
  return `${count === 0 ? start - 1 : start},${count}`
}
