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

test('the index of docs/ links every page', () => {
  const index = readFileSync('docs/README.md', 'utf8')
  const missing = globSync('docs/*.md')
    .map((page) => path.basename(page))
    .filter((page) => page !== 'README.md' && !index.includes(`(${page})`))
  expect(missing).toEqual([])
})
