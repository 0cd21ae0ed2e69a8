import { execFile } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { shellBlocks } from '../support/markdown-blocks.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const root = path.resolve(import.meta.dirname, '../..')
const pages = ['README.md', 'examples/README.md', ...globSync('docs/*.md', { cwd: root }).sort()]
  .map((page) => ({ page, blocks: shellBlocks(readFileSync(path.join(root, page), 'utf8')) }))
  .filter(({ blocks }) => blocks.length > 0)

/**
 * A folder as a reader sees it after the quickstart, but for the sources: nothing that a page does
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

/** Runs a block as a reader would paste it; stops at the first command that fails. */
function runBlock(folder: string, script: string): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      'sh',
      ['-eux', '-c', script],
      {
        cwd: folder,
        maxBuffer: 64 * 1024 ** 2,
        timeout: 50_000,
        env: {
          PATH: `${path.join(folder, 'bin')}:${process.env.PATH}`,
          HOME: folder,
          LANG: 'C.UTF-8',
        },
      },
      (error, stdout, stderr) => {
        const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0
        resolve({ code, stdout, stderr })
      },
    )
  })
}

test('the README has commands to run', () => {
  expect(pages.map(({ page }) => page)).toContain('README.md')
})

describe.each(pages)('$page', ({ blocks }) => {
  let folder: TemporaryFolder

  beforeAll(async () => {
    folder = await readersFolder()
    const { code, stderr } = await runBlock(folder.path, 'bin/kiln quickstart --quiet')
    expect(code, stderr).toBe(0)
  })
  afterAll(() => folder.remove())

  test.each(blocks)('line $line runs as it stands', async ({ script }) => {
    const { code, stdout, stderr } = await runBlock(folder.path, script)
    expect(code, `${stdout}\n${stderr}`).toBe(0)
  })
})
