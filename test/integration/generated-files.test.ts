/** Files that are made from others, and committed. */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { referencePages } from '../../scripts/generate-reference.ts'
import { schemaFiles } from '../../scripts/generate-schema.ts'
import { createTestDatabase } from '../support/database.ts'

const root = path.resolve(import.meta.dirname, '../..')
const hint = 'run: npm run build && npm run generate'

function expectCurrent(files: ReadonlyMap<string, string>): void {
  for (const [file, text] of files) {
    expect(readFileSync(path.join(root, file), 'utf8') === text, `${file}: ${hint}`).toBe(true)
  }
}

it('are current: the table types and the expected schema', async () => {
  const database = await createTestDatabase()
  try {
    expectCurrent(await schemaFiles(database.connectionString))
  } finally {
    await database.drop()
  }
})

it('are current: the pages of errors, settings and commands', () => {
  const pages = referencePages()
  expectCurrent(pages)
  const written = globSync('docs/reference/*.md', { cwd: root })
  expect(written.filter((file) => !pages.has(file))).toEqual([])
})
