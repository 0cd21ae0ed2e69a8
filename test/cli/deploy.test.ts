import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { settingTable } from '../../src/core/config/index.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../support/temporary-folder.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
if (!hasSystemd) console.log('skipped: systemd-analyze is not installed')

const unit = read('deploy/kiln.service')
const value = (key: string): string =>
  new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? `${key} is not set`

describe('kiln.service', () => {
  let folder: TemporaryFolder
  let file: string
  beforeAll(async () => {
    folder = await createTemporaryFolder('unit')
    file = path.join(folder.path, 'kiln.service')
    // The check wants the program to exist.
    writeFileSync(file, unit.replaceAll('/opt/kiln', root))
  })
  afterAll(() => folder.remove())

  // Its exit code is 0 also for unknown keys and impossible values.
  test.skipIf(!hasSystemd)('systemd finds nothing to say about it', () => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test.skipIf(!hasSystemd)('is hardened as far as root for own accounts allows', () => {
    const args = ['security', '--offline=true', '--threshold=35', '--no-pager', file]
    const { status, stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
    expect(status, stdout).toBe(0)
  })

  test('leaves more time to stop than the service waits for its jobs', () => {
    const drainSeconds = settingTable.drainTimeoutMs.fallback() / 1000
    expect(Number(value('TimeoutStopSec'))).toBeGreaterThan(drainSeconds)
    expect(value('KillMode')).toBe('mixed')
  })

  test('lets V8 compile, and survive the death of a sandbox', () => {
    expect(unit).not.toMatch(/^MemoryDenyWriteExecute/m)
    expect(value('OOMPolicy')).toBe('continue')
  })
})

test('the example of settings names settings that exist', () => {
  const names = Object.values(settingTable).map(({ name }) => name) as string[]
  const used = [...read('deploy/kiln.env.example').matchAll(/^#?([A-Z_]+)=/gm)].map(
    ([, name]) => name,
  )
  expect(used.length).toBeGreaterThan(5)
  expect(used.filter((name) => !names.includes(name ?? ''))).toEqual([])
})

describe('Dockerfile', () => {
  const instructions = read('deploy/Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const all = (name: string) => instructions.filter((line) => line.startsWith(`${name} `))
  const last = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')))

  test('copies what exists, and the build may see it', () => {
    const seen = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
    const sources = all('COPY')
      .filter((line) => !line.includes('--from='))
      .flatMap((line) => line.split(/\s+/).slice(1, -1))
    expect(sources.length).toBeGreaterThan(5)
    for (const source of sources) {
      expect(existsSync(path.join(root, source)), source).toBe(true)
      expect(seen).toContain(`!${source}`)
    }
  })

  test('takes all that the program reads into the image', () => {
    const copied = last.filter((line) => line.startsWith('COPY ')).join('\n')
    for (const part of ['bin', 'dist', 'migrations', 'node_modules', 'package.json']) {
      expect(copied).toContain(`/opt/kiln/${part}`)
    }
  })

  test('runs under a numeric account that is not root', () => {
    expect(last.find((line) => line.startsWith('USER '))).toMatch(/^USER [1-9]\d*:[1-9]\d*$/)
  })

  test('asks Kiln itself for its health', () => {
    expect(all('HEALTHCHECK').join('')).toContain('"health", "--live"')
    expect(instructions.join('\n')).not.toContain('curl')
  })
})
