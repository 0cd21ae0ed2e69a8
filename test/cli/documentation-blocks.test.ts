/**
 * No example of a page is left out in silence: what looks like a command is run by a test, or says above
 * its block why it is not, and then its commands and flags exist at least.
 */
import { globSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callsOf, problemsOf } from '../support/check-command-line.ts'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { runKiln } from '../support/kiln.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'
import { query } from '../support/test-server.ts'

const root = path.resolve(import.meta.dirname, '../..')
const pages = ['README.md', 'examples/README.md', ...globSync('docs/*.md', { cwd: root }).sort()]

/** Languages that a test runs, and which test that is. */
const runBy: Readonly<Record<string, (page: string) => boolean>> = {
  // documentation.test.ts
  sh: () => true,
  // replacing-scripts.test.ts, database-roles.test.ts
  bash: (page) => /replacing-scripts|database\.md$/.test(page),
  sql: (page) => page.endsWith('/database.md'),
  // recipes.test.ts
  crontab: () => true,
  ini: () => true,
  yaml: () => true,
}

/** A line that a reader would type. */
const command =
  /^(\$ )?([A-Z_]+=\S+ )*((bin\/|\/\S+\/)?kiln |npm |npx |node |psql |pg_dump |pg_restore |git |docker |systemctl |apt-get |install |openssl |curl |source |man |export [A-Z_]+=)/

interface Block {
  readonly line: number
  readonly language: string
  readonly text: string
  readonly reason: string | undefined
}

function blocksOf(page: string): Block[] {
  const lines = readFileSync(path.join(root, page), 'utf8').split('\n')
  const blocks: Block[] = []
  for (let index = 0; index < lines.length; index += 1) {
    const language = /^```(\w*)$/.exec(lines[index] ?? '')?.[1]
    if (language === undefined) continue
    const end = lines.indexOf('```', index + 1)
    blocks.push({
      line: index + 2,
      language,
      text: lines.slice(index + 1, end).join('\n'),
      reason: /^<!-- not run: (.+) -->$/.exec(lines[index - 1] ?? '')?.[1],
    })
    index = end
  }
  return blocks
}

let database: TestDatabase
let folder: TemporaryFolder
beforeAll(async () => {
  database = await createTestDatabase()
  folder = await createTemporaryFolder('blocks')
})
afterAll(async () => {
  await database.drop()
  await folder.remove()
})

describe.each(pages.map((page) => [page, blocksOf(page)] as const))('%s', (page, blocks) => {
  test('each command is run, or says why not', () => {
    const silent = blocks.filter(
      ({ language, text, reason }) =>
        reason === undefined &&
        !runBy[language]?.(page) &&
        text.split('\n').some((line) => command.test(line)),
    )
    expect(silent.map(({ line, text }) => `${page}:${line} ${text.split('\n')[0]}`)).toEqual([])
  })

  test('commands that are not run exist, with their flags', () => {
    const problems = blocks
      .filter(({ language, reason }) => reason !== undefined || !runBy[language]?.(page))
      .flatMap(({ text }) => text.replaceAll('\\\n', ' ').split('\n'))
      .flatMap((line) => callsOf(line, /(?:^|[\s("]|bin\/)kiln (?=[a-z])/))
      .flatMap((words) => problemsOf(words))
    expect(problems).toEqual([])
  })

  test('scripts are ones that Kiln takes', async () => {
    // Those with a … are parts of one.
    const scripts = blocks.filter(({ language, text }) => language === 'js' && !text.includes('…'))
    const names = scripts.map(({ line }) => `${path.basename(page)}-${line}.js`)
    for (const [index, { text }] of scripts.entries()) {
      await writeFile(path.join(folder.path, names[index] ?? ''), text)
    }
    if (names.length === 0) return
    const result = await runKiln(['analysis', 'validate', ...names, '-q'], { cwd: folder.path })
    expect(result).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('statements are ones that Postgres takes', async () => {
    const statements = blocks.filter(
      ({ language, text }) =>
        language === 'sql' &&
        !runBy.sql?.(page) &&
        !/migrate:up|create role/.test(text) &&
        !text.includes('…'),
    )
    for (const { text } of statements) {
      await query(database.connectionString, `begin; ${text}; rollback`)
    }
  })

  test('commands in its text exist, with their flags', () => {
    const text = readFileSync(path.join(root, page), 'utf8').replaceAll(/^```[^]*?^```$/gm, '')
    const problems = [...text.matchAll(/`kiln ([^`]*)`/g)]
      .map(([, words = '']) => words.replaceAll('\n', ' ').split(' '))
      // A group, or a way to write several: `kiln job`, `kiln db start|stop`.
      .filter((words) => words.length > 1 && !words.some((word) => /[|…]|^[A-Z]+$/.test(word)))
      .flatMap((words) => problemsOf(words))
    expect(problems).toEqual([])
  })
})
