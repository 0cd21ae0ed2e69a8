import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const pages = globSync(['*.md', 'docs/**/*.md', 'examples/*.md'])

test.each(pages)('%s names only files that exist', (page) => {
  const text = readFileSync(page, 'utf8')
  const linked = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target = '']) =>
    path.join(path.dirname(page), target),
  )
  // Sources named in the text, from the root; patterns and placeholders are no names.
  const named = [...text.matchAll(/`((?:src|scripts|test|bench|migrations|types)\/[\w./-]+)`/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/NNNN|<|\*/.test(target))
  expect([...linked, ...named].filter((target) => !existsSync(target))).toEqual([])
})

test('docs/architecture.md names each module of core, and files that exist', () => {
  const page = readFileSync('docs/architecture.md', 'utf8')
  const table = /\| in `src\/core` \|[^]*?\n\n/.exec(page)?.[0] ?? ''
  const rows = table.split('\n').map((row) => row.split('|')[1] ?? '')
  const named = rows.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name))
  const modules = globSync('src/core/*/').map((folder) => path.basename(folder))
  expect(named.toSorted()).toEqual(modules.toSorted())
  const files = [...page.matchAll(/`([a-z-]+\/[\w/.-]+\.ts)`/g)].map(([, file = '']) => file)
  const missing = files.filter((file) => !existsSync(file) && !existsSync(`src/core/${file}`))
  expect(missing).toEqual([])
})

test('the index of docs/ links every page', () => {
  const index = readFileSync('docs/README.md', 'utf8')
  const missing = globSync('docs/*.md')
    .map((page) => path.basename(page))
    .filter((page) => page !== 'README.md' && !index.includes(`(${page})`))
  expect(missing).toEqual([])
})
