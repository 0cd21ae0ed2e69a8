import { readFileSync } from 'node:fs'
import path from 'node:path'
import { commandPages, type ReferenceCommand } from './reference/command-pages.ts'
import { errorsPage } from './reference/errors-page.ts'
import { settingsPage } from './reference/settings-page.ts'

const root = path.resolve(import.meta.dirname, '..')

/**
 * The generated pages of docs/: errors, settings, and the commands from the manifest of the build.
 * Texts, by their files' paths from the root.
 */
export function referencePages(): Map<string, string> {
  const manifest = JSON.parse(readFileSync(path.join(root, 'oclif.manifest.json'), 'utf8')) as {
    commands: Record<string, ReferenceCommand>
  }
  return new Map([
    ['docs/errors.md', errorsPage()],
    ['docs/settings.md', settingsPage()],
    ...[...commandPages(Object.values(manifest.commands))].map(
      ([file, text]) => [`docs/reference/${file}`, text] as const,
    ),
  ])
}
