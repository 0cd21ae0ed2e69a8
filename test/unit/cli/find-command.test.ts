import path from 'node:path'
import { expect, test } from 'vitest'
import { findCommand } from '../../../src/cli/find-command.ts'

const root = path.resolve(import.meta.dirname, '../../..')
const find = (line: string) => {
  const found = findCommand(line.split(' ').filter(Boolean), root)
  return found && [found.id, found.rest.join(' ')]
}

test.each([
  ['job list', ['job:list', '']],
  ['job list --json', ['job:list', '--json']],
  ['job show list', ['job:show', 'list']],
  ['doctor --list', ['doctor', '--list']],
  // A command that is a group as well.
  ['health', ['health', '']],
  ['health check --target a=b', ['health:check', '--target a=b']],
  ['health --live', ['health', '--live']],
  ['migrate up', ['migrate:up', '']],
  ['migrate', ['migrate', '']],
])('"%s" is a command', (line, expected) => {
  expect(find(line)).toEqual(expected)
})

test.each([
  '',
  'job',
  'jobs list',
  'job lst',
  '--json job list',
  'job:list',
  'migrate:up',
  '.. x',
  '../commands/doctor',
  'index',
  '-h',
])('oclif has to look at "%s"', (line) => {
  expect(find(line)).toBeUndefined()
})

test('the file of a group is no word of a command', () => {
  expect(find('migrate index')).toEqual(['migrate', 'index'])
})

test('a file name of the build cannot be given', () => {
  expect(find('job/list')).toBeUndefined()
  expect(find('job list.js')).toBeUndefined()
})
