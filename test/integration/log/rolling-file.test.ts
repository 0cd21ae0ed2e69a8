import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
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
