import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { exitCodes } from '../../../src/core/errors/error-table.ts'
import { errorsPage } from '../../../scripts/reference/errors-page.ts'

const page = (name: string) => readFileSync(`docs/${name}.md`, 'utf8')

test('docs/errors.md equals the table of errors', () => {
  expect(page('errors')).toBe(errorsPage())
})

test('docs/exit-codes.md has a row for each exit code and no other', () => {
  const documented = [...page('exit-codes').matchAll(/^\| (\d+) \|/gm)].map(([, code]) =>
    Number(code),
  )
  expect(documented).toEqual(Object.values(exitCodes))
})
