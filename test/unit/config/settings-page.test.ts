import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { settingsPage } from '../../../scripts/reference/settings-page.ts'

test('docs/settings.md equals the table of settings', () => {
  expect(readFileSync('docs/settings.md', 'utf8')).toBe(settingsPage())
})
