import { expect, test } from 'vitest'
import { offsetOfCharacter, positionAt } from '../../../src/core/migrate/text-position.ts'

test('counts lines and characters from 1, not UTF-16 units', () => {
  const text = 'a\n🎉🎉x'
  expect(positionAt(text, 0)).toEqual({ line: 1, column: 1 })
  expect(positionAt(text, text.indexOf('x'))).toEqual({ line: 2, column: 3 })
})

test('finds the character that Postgres means', () => {
  expect(offsetOfCharacter('🎉é x', 3)).toBe('🎉é '.length)
  expect(offsetOfCharacter('ab', 9)).toBe(2)
})
