import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, createTestDatabase } from '../support/database.ts'
import { shellBlocks } from '../support/markdown-blocks.ts'
import { projectFile, writeDatabase } from '../support/project-files.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const root = path.resolve(import.meta.dirname, '../..')
const has = (program: string) => spawnSync(program, ['--version']).status === 0
const readme = readFileSync(path.join(root, 'README.md'), 'utf8')
const pages = ['README.md', 'examples/README.md', ...globSync('docs/*.md', { cwd: root }).sort()]
  // replacing-scripts.test.ts runs its commands where it can run the scripts.
  .filter((page) => page !== 'docs/replacing-scripts.md' || !has('psql'))
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
  // There is no unit here to start or stop.
  writeFileSync(path.join(folder.path, 'bin/systemctl'), '#!/bin/sh\n', { mode: 0o755 })
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
 * running then, as a service, ends with it. One that goes on for ever is ended by SIGTERM when it has
 * printed `until`.
 */
async function runBlock(
  folder: string,
  script: string,
  more: Readonly<Record<string, string>> = {},
  until?: string,
): Promise<Outcome> {
  const port = await freePort()
  const here = script.replaceAll('18002', String(port))
  // The shell itself lives on, to tell how the command ended.
  const whole = until === undefined ? here : `trap : TERM\n${here}`
  const shell = spawn('sh', ['-eux', '-c', whole], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    // It leads a process group of its own.
    detached: true,
    env: {
      PATH: `${path.join(folder, 'bin')}:${process.env.PATH}`,
      HOME: folder,
      LANG: 'C.UTF-8',
      ...(until !== undefined && { ANALYSIS_EXECUTOR_PORT: String(port) }),
      ...more,
    },
  })
  const endAll = (signal: NodeJS.Signals) => {
    try {
      process.kill(-(shell.pid ?? 0), signal)
    } catch {
      // Nothing of it runs any more.
    }
  }
  const timer = setTimeout(endAll, 110_000, 'SIGKILL')
  shell.on('exit', () => endAll('SIGKILL'))
  if (until !== undefined) {
    let printed = ''
    const look = (part: Buffer) => {
      printed += part.toString()
      if (!printed.includes(until)) return
      shell.stderr.off('data', look)
      endAll('SIGTERM')
    }
    shell.stderr.on('data', look)
  }
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
let newServer: TestDatabase | undefined
let prepared: { readonly database: TestDatabase; readonly folder: TemporaryFolder }
beforeAll(async () => {
  const database = await createTestDatabase({ migrated: false })
  const folder = await readersFolder()
  prepared = { database, folder }
  await quickstart(folder.path, { DATABASE_URL: database.connectionString })
})
afterAll(async () => {
  await newServer?.drop()
  await prepared.database.drop()
  await prepared.folder.remove()
})

/** What it prints, all in one as a terminal shows it. */
async function quickstart(
  folder: string,
  more?: Readonly<Record<string, string>>,
): Promise<string> {
  const { code, stdout, stderr } = await runBlock(folder, 'bin/kiln quickstart 2>&1', more)
  expect(code, stdout + stderr).toBe(0)
  return stdout
}

type Settings = Readonly<Record<string, string>>

/** What pages take for granted besides the quickstart. Returns more settings. */
const prepare: Readonly<Record<string, (folder: string, settings: Settings) => Promise<Settings>>> =
  {
    'docs/datasources.md': async (folder) => {
      await writeDatabase(path.join(folder, 'warehouse.duckdb'), 'create table t as select 1 as a')
      mkdirSync(path.join(folder, 'data'))
      writeFileSync(path.join(folder, 'data/prices-2026.csv'), 'price\n1\n')
      mkdirSync(path.join(folder, 'secrets'))
      writeFileSync(path.join(folder, 'secrets/returns-url'), prepared.database.connectionString)
      return { ORDERS_URL: prepared.database.connectionString }
    },
    'docs/installing.md': async () => {
      newServer = await createTestDatabase({ migrated: false })
      return { NEW_URL: newServer.connectionString }
    },
    'docs/restore.md': async (folder, settings) => {
      const file = projectFile(path.join(folder, 'analysis-data'), 'examples')
      await writeDatabase(file, 'create table t as select 1 as a')
      const { code, stderr } = await runBlock(folder, 'kiln backup create -q', settings)
      expect(code, stderr).toBe(0)
      return {}
    },
  }

describe.each(pages)('$page', ({ page, blocks }) => {
  let folder: TemporaryFolder
  let database: TestDatabase | undefined
  let settings: Settings = {}
  let printed = ''

  beforeAll(async () => {
    folder = await readersFolder()
    if (ownServer.has(page)) {
      printed = await quickstart(folder.path)
      settings = (await prepare[page]?.(folder.path, {})) ?? {}
      return
    }
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
    settings = { ...settings, ...(await prepare[page]?.(folder.path, settings)) }
  })
  afterAll(async () => {
    await database?.drop()
    await folder.remove()
  })

  test.for(blocks)('line $line runs as it stands', async ({ script, needs, until }, { skip }) => {
    if (needs !== undefined && !has(needs)) skip(`no ${needs} here`)
    // As it stands but for the names of a database and a server of the reader's.
    const here = script
      .replaceAll(/--confirm kiln$/gm, `--confirm ${database?.name ?? 'kiln'}`)
      .replaceAll(/postgresql:\S+@db\.example\S+/g, `'${prepared.database.connectionString}'`)
    const { code, stdout, stderr } = await runBlock(folder.path, here, settings, until)
    expect(code, `${stdout}\n${stderr}`).toBe(0)
  })

  if (page !== 'README.md') return
  test('shows what the quickstart prints', () => {
    const plain = (text: string) =>
      text.replaceAll(/\d\d:\d\d:\d\d\.\d+/g, 'TIME').replaceAll(/\/\S+\/analysis-data/g, 'FOLDER')
    const shown = /```text\n([^]*?)\n *…\n```/.exec(readme)?.[1] ?? 'nothing'
    expect(plain(printed).slice(0, plain(shown).length)).toBe(plain(shown))
  })
})
