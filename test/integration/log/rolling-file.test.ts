import { execFile, execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RollingFile } from '../../../src/core/log/rolling-file.ts'
import { type TemporaryFolder, createTemporaryFolder } from '../../support/temporary-folder.ts'

let folder: TemporaryFolder
let file: string
beforeEach(async () => {
  folder = await createTemporaryFolder('log')
  file = path.join(folder.path, 'kiln.log')
})
afterEach(() => folder.remove())

const failures: unknown[] = []
const open = (keep: number, maxBytes = 10) =>
  new RollingFile({ file, maxBytes, keep, onFailure: (error) => failures.push(error) })
const read = (suffix = ''): string => readFileSync(file + suffix, 'utf8')

test('appends, and nobody else may read', () => {
  open(2, 100).write('a\n')
  open(2, 100).write('b\n')
  expect(read()).toBe('a\nb\n')
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('rolls before a line that does not fit, and keeps so many', () => {
  const log = open(2)
  for (const line of ['11111111\n', '22222222\n', '33333333\n', '44444444\n']) log.write(line)
  expect([read(), read('.1'), read('.2')]).toEqual(['44444444\n', '33333333\n', '22222222\n'])
  expect(existsSync(`${file}.3`)).toBe(false)
})

test('keeps none when told so', () => {
  const log = open(0)
  log.write('11111111\n')
  log.write('22222222\n')
  expect(read()).toBe('22222222\n')
  expect(existsSync(`${file}.1`)).toBe(false)
})

test('a line longer than the limit is written whole', () => {
  const log = open(1)
  log.write('a line that is longer\n')
  expect(read()).toBe('a line that is longer\n')
  expect(existsSync(`${file}.1`)).toBe(false)
})

test('two that write to one file roll it once', () => {
  const [first, second] = [open(5), open(5)]
  first.write('11111111\n')
  second.write('x\n')
  first.write('22222222\n')
  second.write('33333333\n')
  expect(read('.1') + read()).toContain('22222222\n')
  expect(existsSync(`${file}.3`)).toBe(false)
})

test('follows another that has rolled it, before the old file is deleted', () => {
  const [first, second] = [open(1), open(1)]
  second.write('x\n')
  for (const line of ['11111111\n', '22222222\n', '33333333\n']) first.write(line)
  second.write('y\n')
  expect([read('.1'), read()].join('')).toContain('y\n')
})

test('leaves the rolling to another that is at it, and loses no line', () => {
  const log = open(1)
  writeFileSync(`${file}.lock`, '')
  log.write('11111111\n')
  log.write('22222222\n')
  expect([read(), existsSync(`${file}.1`)]).toEqual(['11111111\n22222222\n', false])
  rmSync(`${file}.lock`)
  log.write('33333333\n')
  expect([read('.1'), read()]).toEqual(['11111111\n22222222\n', '33333333\n'])
  expect(readdirSync(folder.path).sort()).toEqual(['kiln.log', 'kiln.log.1'])
})

test('does not wait for one that died while it rolled', () => {
  failures.length = 0
  const log = open(1)
  log.write('11111111\n')
  writeFileSync(`${file}.lock`, '')
  const long = statSync(file).mtimeMs / 1000 - 61
  utimesSync(`${file}.lock`, long, long)
  log.write('22222222\n')
  log.write('33333333\n')
  expect([read('.1'), read()]).toEqual(['11111111\n22222222\n', '33333333\n'])
  expect(readdirSync(folder.path).sort()).toEqual(['kiln.log', 'kiln.log.1'])
  expect(failures).toEqual([])
})

test('processes that roll one file lose no line', async () => {
  const count = 60
  const writers = ['a', 'b']
  const module = path.resolve(import.meta.dirname, '../../../src/core/log/rolling-file.ts')
  // Each line fills the file, and so many names to move make a roll last.
  const source = `
    const { RollingFile } = await import(${JSON.stringify(module)})
    const [file, writer] = process.argv.slice(1)
    const onFailure = (error) => { throw error }
    const log = new RollingFile({ file, maxBytes: 4, keep: ${writers.length * count}, onFailure })
    for (let line = 0; line < ${count}; line += 1) log.write(writer + line + '\\n')`
  await Promise.all(
    writers.map((writer) =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', source, file, writer]),
    ),
  )
  const lines = readdirSync(folder.path).flatMap((name) =>
    readFileSync(path.join(folder.path, name), 'utf8').trim().split('\n'),
  )
  const written = writers.flatMap((writer) =>
    Array.from({ length: count }, (_, line) => `${writer}${line}`),
  )
  expect(lines.toSorted()).toEqual(written.toSorted())
})

test('goes on in a new file when another program has moved it', () => {
  const log = open(1, 100)
  log.write('old\n')
  renameSync(file, `${file}.moved`)
  log.reopen()
  log.write('new\n')
  expect([read('.moved'), read()]).toEqual(['old\n', 'new\n'])
})

test('a folder that is gone is told once and ends nothing', () => {
  const log = open(1)
  log.write('11111111\n')
  rmSync(folder.path, { recursive: true })
  log.write('22222222\n')
  log.write('33333333\n')
  expect(failures).toHaveLength(1)
  mkdirSync(folder.path)
  log.write('44444444\n')
  expect(read()).toBe('44444444\n')
})

test('goes on in the old file where no new one can be made, and tells it once', () => {
  failures.length = 0
  const log = open(1)
  log.write('11111111\n')
  // Nothing can be moved onto a folder that has something in it, whoever asks.
  mkdirSync(`${file}.1/kept`, { recursive: true })
  log.write('22222222\n')
  log.write('33333333\n')
  expect(read()).toBe('11111111\n22222222\n33333333\n')
  expect(failures).toHaveLength(1)
  rmSync(`${file}.1`, { recursive: true })
  log.write('44444444\n')
  expect([read(), read('.1')]).toEqual(['44444444\n', '11111111\n22222222\n33333333\n'])
})

test('a file that cannot be opened anew is told, and the old one goes on', () => {
  failures.length = 0
  const log = open(1, 100)
  log.write('1\n')
  renameSync(file, `${file}.moved`)
  mkdirSync(file)
  log.reopen()
  log.write('2\n')
  expect(read('.moved')).toBe('1\n2\n')
  expect(failures).toHaveLength(1)
})

test('rolls behind a link, which stays', () => {
  const target = path.join(folder.path, 'elsewhere')
  mkdirSync(target)
  symlinkSync(path.join(target, 'real.log'), file)
  const log = open(1)
  log.write('11111111\n')
  log.write('22222222\n')
  expect(lstatSync(file).isSymbolicLink()).toBe(true)
  expect(readdirSync(target).sort()).toEqual(['real.log', 'real.log.1'])
  expect(read()).toBe('22222222\n')
})

test('never rolls what is no file, such as /dev/stdout', () => {
  const pipe = path.join(folder.path, 'pipe')
  execFileSync('mkfifo', [pipe])
  // Open for both, so that nobody waits for anybody.
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  const log = new RollingFile({ file: pipe, maxBytes: 10, keep: 1, onFailure: () => undefined })
  log.write('11111111\n')
  log.write('22222222\n')
  log.write('33333333\n')
  const bytes = Buffer.alloc(100)
  expect(bytes.toString('utf8', 0, readSync(reader, bytes))).toBe('11111111\n22222222\n33333333\n')
  expect(lstatSync(pipe).isFIFO()).toBe(true)
  expect(existsSync(`${pipe}.1`)).toBe(false)
  closeSync(reader)
})

describe.runIf(process.getuid?.() === 0 && process.platform === 'linux')(
  'a disk that is full',
  () => {
    test('keeps whole lines whole once there is room again', () => {
      const disk = path.join(folder.path, 'disk')
      mkdirSync(disk)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk])
      try {
        failures.length = 0
        const log = new RollingFile({
          file: path.join(disk, 'kiln.log'),
          maxBytes: 1024 ** 2,
          keep: 1,
          onFailure: (error) => failures.push(error),
        })
        writeFileSync(path.join(disk, 'other'), Buffer.alloc(8192))
        const line = `${'x'.repeat(999)}\n`
        for (let count = 0; count < 20; count += 1) log.write(line)
        expect(failures).toHaveLength(1)
        rmSync(path.join(disk, 'other'))
        log.write('after\n')
        const lines = readFileSync(path.join(disk, 'kiln.log'), 'utf8').split('\n')
        expect(lines.slice(-2)).toEqual(['after', ''])
        expect(lines.filter((text) => text.length === 999).length).toBeGreaterThan(5)
      } finally {
        execFileSync('umount', ['--lazy', disk])
      }
    })
  },
)
