import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { splitStatements } from '../../../src/core/migrate/split-statements.ts'

// prettier-ignore
const pieces = [
  "'", '"', '$$', '$a$', '/*', '*/', '--', '\n', ';', '(', ')', '\\', "e'", 'E', 'create function',
  ' begin atomic ', ' end', ' case ', ' select 1', '$1', 'a$b$', 'é', '🎉',
]

/** Text rich in what the splitter looks at. */
const sqlText = fc
  .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 })), { maxLength: 40 })
  .map((parts) => parts.join(''))

/** Statements that hold no semicolon outside of quotes, each closed in itself. */
const quoted = fc
  .tuple(
    fc.constantFrom(
      (text: string) => `select '${text.replaceAll("'", "''")}'`,
      (text: string) => `select e'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`,
      (text: string) => `select "${text.replaceAll('"', '""')}"`,
      (text: string) => `select $kiln_q$${text}$kiln_q$`,
    ),
    sqlText,
  )
  .map(([quote, text]) => quote(text))

describe('splitStatements', () => {
  test('loses nothing: the segments joined are the text', () => {
    fc.assert(
      fc.property(sqlText, (text) => {
        const { segments } = splitStatements(text)
        expect(segments.map((segment) => segment.text).join('')).toBe(text)
        for (const segment of segments) {
          expect(text.startsWith(segment.text, segment.start)).toBe(true)
          expect(text.startsWith(segment.statement, segment.statementStart)).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('finds the statements that were joined, whatever their strings hold', () => {
    fc.assert(
      fc.property(fc.array(quoted, { maxLength: 6 }), (statements) => {
        const result = splitStatements(statements.map((text) => `${text};\n`).join(''))
        expect(result.unclosed).toBeUndefined()
        expect(
          result.segments.map(({ statement }) => statement).filter((text) => text !== ''),
        ).toEqual(statements)
      }),
      { numRuns: 2000 },
    )
  })
})
