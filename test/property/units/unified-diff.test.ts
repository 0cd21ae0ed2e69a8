import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffLines, unifiedDiff } from '../../../src/core/units/index.ts'

/** Few different lines, so that texts have much in common and repeat themselves. */
const lines = fc.array(fc.constantFrom('a', 'b', 'c', '', '-- x', '+ y', ' z', '@@ -1 +1 @@'), {
  maxLength: 40,
})
const texts = fc
  .tuple(lines, fc.boolean())
  .map(([all, ends]) => all.join('\n') + (ends && all.length > 0 ? '\n' : ''))

/** The fewest edits by the textbook's table. */
function fewestEdits(a: readonly string[], b: readonly string[]): number {
  let row = b.map((_, index) => index + 1)
  row.unshift(0)
  for (const [index, line] of a.entries()) {
    const next = [index + 1]
    for (const [at, other] of b.entries()) {
      const better = Math.min((row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1)
      next.push(line === other ? (row[at] ?? 0) : better)
    }
    row = next
  }
  return row.at(-1) ?? 0
}

/** What `patch` does, written from the description of the format. */
function applyPatch(text: string, patch: string): string {
  if (patch === '') return text
  const from = text.split('\n')
  const into: string[] = []
  let at = 0
  let isOpenEnd = false
  let last = ''
  for (const line of patch.split('\n').slice(2)) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@$/.exec(line)
    if (hunk) {
      const start = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1)
      while (at < start) into.push(from[at++] as string)
    } else if (line.startsWith('\\')) {
      isOpenEnd = last !== '-'
    } else if (line.startsWith('+')) {
      into.push(line.slice(1))
      isOpenEnd = false
    } else {
      expect(line.slice(1)).toBe(from[at])
      at += 1
      if (line.startsWith(' ')) {
        into.push(line.slice(1))
        isOpenEnd = false
      }
    }
    last = line.slice(0, 1)
  }
  const rest = from.slice(at)
  const isRestEmpty = rest.every((line) => line === '')
  if (!isRestEmpty) return [...into, ...rest].join('\n')
  if (into.length === 0) return ''
  return into.join('\n') + (isOpenEnd ? '' : '\n')
}

describe('diffLines', () => {
  it('has both texts in it, with the fewest edits', () => {
    fc.assert(
      fc.property(lines, lines, (a, b) => {
        const changes = diffLines(a, b)
        const without = (kind: string) =>
          changes.filter((change) => change.kind !== kind).flatMap((change) => change.lines)
        expect(without('added')).toEqual(a)
        expect(without('removed')).toEqual(b)
        const edits = changes.filter(({ kind }) => kind !== 'equal')
        expect(edits.reduce((sum, change) => sum + change.lines.length, 0)).toBe(fewestEdits(a, b))
      }),
      { numRuns: 500 },
    )
  })

  it('takes texts that have nothing in common as a whole', () => {
    const a = Array.from({ length: 5000 }, (_, index) => `a${index}`)
    const b = Array.from({ length: 5000 }, (_, index) => `b${index}`)
    expect(diffLines(['x', ...a, 'y'], ['x', ...b, 'y'])).toEqual([
      { kind: 'equal', lines: ['x'] },
      { kind: 'removed', lines: a },
      { kind: 'added', lines: b },
      { kind: 'equal', lines: ['y'] },
    ])
  })
})

describe('unifiedDiff', () => {
  it('turns one text into the other when it is applied', () => {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        const { text } = unifiedDiff({ label: 'a', text: a }, { label: 'b', text: b })
        expect(text === '').toBe(a === b)
        expect(applyPatch(a, text)).toBe(b)
      }),
      { numRuns: 500 },
    )
  })

  it('looks as diff -u does', () => {
    const a = 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n'
    const b = 'one\ntwo\n3\nfour\nfive\nsix\nseven\neight\nnine\nten'
    expect(unifiedDiff({ label: 'a.js', text: a }, { label: 'b.js', text: b })).toEqual({
      addedLines: 2,
      removedLines: 2,
      text: `--- a.js
+++ b.js
@@ -1,10 +1,10 @@
 one
 two
-three
+3
 four
 five
 six
 seven
 eight
 nine
-ten
+ten
\\ No newline at end of file`,
    })
  })
})
