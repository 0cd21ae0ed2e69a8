import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(path.join(root, 'oclif.manifest.json'), 'utf8')) as {
  commands: Record<string, { readonly hidden?: boolean }>
}
const pages = globSync('dist/man/*.1', { cwd: root })
const hasGroff = spawnSync('groff', ['--version']).status === 0

it('the build writes a manual page for each command or group of commands', () => {
  const groups = new Set(Object.keys(manifest.commands).map((id) => id.split(':')[0]))
  const names = [...groups].map((group) => `dist/man/kiln-${group}.1`)
  expect(pages.toSorted()).toEqual(['dist/man/kiln.1', ...names].toSorted())
})

it.runIf(hasGroff)('groff formats them without a complaint, with all that they hold', () => {
  const { stdout, stderr } = spawnSync(
    'groff',
    ['-man', '-Tutf8', '-P-cbou', '-ww', ...pages.map((page) => path.join(root, page))],
    { encoding: 'utf8', maxBuffer: 50 * 1024 ** 2 },
  )
  // Lines that cannot be broken, such as an example, may be long.
  expect(
    stderr.split('\n').filter((line) => line !== '' && !/adjust|break line/.test(line)),
  ).toEqual([])
  for (const [id, { hidden }] of Object.entries(manifest.commands)) {
    // Not typed by people.
    if (hidden) continue
    expect(stdout.toUpperCase()).toContain(`KILN ${id.replaceAll(':', ' ')}`.toUpperCase())
  }
  expect(stdout).toContain('--max-duration')
})

const hasMandoc = spawnSync('mandoc', ['-h']).error === undefined

it.runIf(hasMandoc)('mandoc has nothing to warn of', () => {
  const { status, stdout } = spawnSync('mandoc', ['-Tlint', '-Wwarning', ...pages], {
    cwd: root,
    encoding: 'utf8',
  })
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
})
