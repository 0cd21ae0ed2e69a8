import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { settingsPage } from '../../../scripts/reference/settings-page.ts'

test('docs/settings.md equals the table of settings', () => {
  expect(readFileSync('docs/settings.md', 'utf8')).toBe(settingsPage())
})

test('docs/settings.md tells no default of the machine that wrote it', () => {
  expect(settingsPage()).toMatch(/`MAX_CONCURRENT_JOBS` or .*\| twice the cores, at most 10 \|/)
})
