/** What a confined process sees, and what it may write. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Confiner, confinedArgv, findConfiner } from '../../../src/core/confine/index.ts'
import { isConfinerPossible } from '../../support/confiners.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'

let folder: TemporaryFolder
beforeAll(async () => {
  folder = await createTemporaryFolder()
})
afterAll(() => folder.remove())

/** Says what it sees, and tries to write beside it. */
const program = `
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
const [readable, writable] = process.argv.slice(2)
const attempt = (file) => {
  try {
    writeFileSync(file, 'written')
    return 'written'
  } catch ({ code }) {
    return code
  }
}
console.log(JSON.stringify({
  root: readdirSync('/'),
  kiln: readdirSync('/kiln'),
  seen: readFileSync(readable, 'utf8'),
  writes: ['/new', '/kiln/main.mjs', readable, writable + '/new'].map(attempt),
}))`

const unshare = await findConfiner('unshare')
const confiners: readonly [string, Confiner | undefined][] = [
  ['bwrap', await findConfiner('bwrap')],
  ['unshare', unshare],
  // As where mount(8) is not that of util-linux.
  ['unshare, mount by mount', unshare && { ...unshare, canBindReadOnly: false }],
]

it.for(confiners)(
  'shows what is named and nothing else (%s)',
  async ([name, confiner], { skip }) => {
    if (!confiner || !isConfinerPossible(confiner.kind)) return skip()
    // Blanks, and what tables of mounts and shells take for something else.
    const odd = path.join(folder.path, `${name} \\ \t # $HOME * 'é' \u00a0 \u3000 -- \\040`)
    mkdirSync(path.join(odd, 'writable'), { recursive: true })
    const entryPath = path.join(odd, 'program.mjs')
    const readable = path.join(odd, 'readable')
    const writable = path.join(odd, 'writable')
    writeFileSync(entryPath, program)
    writeFileSync(readable, 'told')
    const [file = '', ...args] = await confinedArgv(confiner, {
      nodePath: process.execPath,
      flags: [],
      entryPath,
      args: [readable, writable],
      packages: [],
      readable: [readable],
      writable: [writable],
    })
    const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', env: {} })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const told = JSON.parse(stdout) as Record<string, readonly string[]>
    const top = folder.path.split('/')[1]
    const inRoot = told['root']?.filter((entry) => entry !== top && !/^(lib\d*|usr)$/.test(entry))
    expect(inRoot).toEqual(['kiln'])
    expect(told).toMatchObject({
      kiln: ['main.mjs', 'node'],
      seen: 'told',
      writes: ['EROFS', 'EROFS', 'EROFS', 'written'],
    })
    expect(readFileSync(path.join(writable, 'new'), 'utf8')).toBe('written')
    return undefined
  },
)
