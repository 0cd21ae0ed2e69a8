import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { shellBlocks } from '../support/markdown-blocks.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const root = path.resolve(import.meta.dirname, '../..')
const pages = ['README.md', 'examples/README.md', ...globSync('docs/*.md', { cwd: root }).sort()]
  .map((page) => ({ page, blocks: shellBlocks(readFileSync(path.join(root, page), 'utf8')) }))
  .filter(({ blocks }) => blocks.length > 0)

/** They are about the private Postgres, and get one; the others have a database of the tests' server. */
const ownServer = new Set(['README.md', 'docs/installing.md', 'docs/doctor.md'])

/**
 * A folder as a reader sees it before the quickstart, but for the sources: nothing that a page does
 * may change those.
 */
async function readersFolder(): Promise<TemporaryFolder> {
  const folder = await createTemporaryFolder('docs')
  mkdirSync(path.join(folder.path, 'bin'))
  symlinkSync(path.join(root, 'bin/kiln'), path.join(folder.path, 'bin/kiln'))
  cpSync(path.join(root, 'examples'), path.join(folder.path, 'examples'), { recursive: true })
  return folder
}

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A port that is free now, for the one that a page names: it may be taken here. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/**
 * Runs a block as a reader would paste it; stops at the first command that fails. What it has left
 * running then, as a service, ends with it.
 */
async function runBlock(
  folder: string,
  script: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const port = await freePort()
  const shell = spawn('sh', ['-eux', '-c', script.replaceAll('18002', String(port))], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // It leads a process group of its own.
    detached: true,
    env: {
      PATH: `${path.join(folder, 'bin')}:${process.env.PATH}`,
      HOME: folder,
      LANG: 'C.UTF-8',
      ...more,
    },
  })
  const endAll = () => {
    try {
      process.kill(-(shell.pid ?? 0), 'SIGKILL')
    } catch {
      // Nothing of it runs any more.
    }
  }
  const timer = setTimeout(endAll, 110_000)
  shell.on('exit', endAll)
  const ended = new Promise<number>((resolve, reject) => {
    shell.on('error', reject)
    shell.on('close', (code) => resolve(code ?? -1))
  })
  const [code, stdout, stderr] = await Promise.all([ended, text(shell.stdout), text(shell.stderr)])
  clearTimeout(timer)
  return { code, stdout, stderr }
}

test('the README has commands to run', () => {
  expect(pages.map(({ page }) => page)).toContain('README.md')
})

/** What the quickstart leaves: a database, and a folder with the data folder that belongs to it. */
let prepared: { readonly database: TestDatabase; readonly folder: TemporaryFolder }
beforeAll(async () => {
  const database = await createTestDatabase({ migrated: false })
  const folder = await readersFolder()
  prepared = { database, folder }
  await quickstart(folder.path, { DATABASE_URL: database.connectionString })
})
afterAll(async () => {
  await prepared.database.drop()
  await prepared.folder.remove()
})

async function quickstart(folder: string, more?: Readonly<Record<string, string>>): Promise<void> {
  const { code, stderr } = await runBlock(folder, 'bin/kiln quickstart --quiet', more)
  expect(code, stderr).toBe(0)
}

describe.each(pages)('$page', ({ page, blocks }) => {
  let folder: TemporaryFolder
  let database: TestDatabase | undefined
  let settings: Readonly<Record<string, string>> = {}

  beforeAll(async () => {
    folder = await readersFolder()
    if (ownServer.has(page)) return quickstart(folder.path)
    database = await createTestDatabase({ copyOf: prepared.database })
    const data = 'analysis-data'
    const from = path.join(prepared.folder.path, data)
    // With the modes, which keep others out.
    execFileSync('cp', ['-a', from, path.join(folder.path, data)])
    settings = {
      DATABASE_URL: database.connectionString,
      // Where the quickstart's datasource still has its file.
      ANALYSIS_FILE_ROOTS: from,
    }
    return undefined
  })
  afterAll(async () => {
    await database?.drop()
    await folder.remove()
  })

  test.for(blocks)('line $line runs as it stands', async ({ script, needs }, { skip }) => {
    if (needs !== undefined && spawnSync(needs, ['--version']).status !== 0)
      skip(`no ${needs} here`)
    const { code, stdout, stderr } = await runBlock(folder.path, script, settings)
    expect(code, `${stdout}\n${stderr}`).toBe(0)
  })
})
