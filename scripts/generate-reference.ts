import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { commandPages, type ReferenceCommand } from './reference/command-pages.ts'
import { errorsPage } from './reference/errors-page.ts'
import { settingsPage } from './reference/settings-page.ts'

const root = path.resolve(import.meta.dirname, '..')

/**
 * Writes the generated pages of docs/: errors, settings, and the commands from the manifest of the
 * build. Returns the pages that differed, as paths from the root; with `isCheck` it writes nothing.
 */
export function generateReference({ isCheck }: { readonly isCheck: boolean }): string[] {
  const pages = referencePages()
  const left = globSync('docs/reference/*.md', { cwd: root }).filter((file) => !pages.has(file))
  const changed = [...pages].filter(([file, text]) => readPage(file) !== text)
  if (!isCheck) {
    mkdirSync(path.join(root, 'docs/reference'), { recursive: true })
    for (const [file, text] of changed) writeFileSync(path.join(root, file), text)
    for (const file of left) rmSync(path.join(root, file))
  }
  return [...changed.map(([file]) => file), ...left]
}

function referencePages(): Map<string, string> {
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

function readPage(file: string): string | undefined {
  try {
    return readFileSync(path.join(root, file), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

if (import.meta.main) {
  const isCheck = process.argv.includes('--check')
  const changed = generateReference({ isCheck })
  for (const file of changed) console.log(`${isCheck ? 'stale' : 'written'}: ${file}`)
  if (isCheck && changed.length > 0) {
    console.error('run: npm run build && npm run generate')
    process.exitCode = 1
  }
}
