/**
 * What `kiln doctor` tells its reader to run can be run: the command exists, with its flags, and nothing that
 * it must be given is left out. Errors' hints are held to the same.
 */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { problemsOf, requiredOf } from '../../support/check-command-line.ts'

const root = path.resolve(import.meta.dirname, '../../..')
const advice = globSync('src/**/*.ts', { cwd: root }).flatMap((file) => {
  const source = readFileSync(path.join(root, file), 'utf8')
  return [...source.matchAll(/\b(?:mend|hint):\s*(?:'([^'\n]*)'|`([^`\n]*)`|"([^"\n]*)")/g)].map(
    ([, single, template, double]) => ({ file, text: single ?? template ?? double ?? '' }),
  )
})

/** The commands of a sentence; what is put in when it runs is a word. */
const callsIn = (text: string): string[][] =>
  [...text.replaceAll(/\$\{[^}]*\}/g, 'WORD').matchAll(/\bkiln ([a-z][^,;&|()]*)/g)].map(
    ([, words = '']) => words.trim().replace(/[.:]$/, '').split(/\s+/),
  )

test('finds the advice', () => {
  expect(advice.filter(({ file }) => file.includes('/doctor/')).length).toBeGreaterThan(30)
  expect(advice.flatMap(({ text }) => callsIn(text)).length).toBeGreaterThan(100)
})

test('each command in it exists, with its flags', () => {
  const wrong = advice.flatMap(({ file, text }) =>
    callsIn(text)
      .flatMap(problemsOf)
      .map((problem) => `${file}: ${text}: ${problem}`),
  )
  expect(wrong).toEqual([])
})

test('a mend gives each command what it must have', () => {
  const wrong = advice
    .filter(({ file }) => file.includes('/doctor/'))
    .flatMap(({ file, text }) =>
      callsIn(text).flatMap((words) =>
        requiredOf(words)
          .filter((flag) => !words.includes(flag))
          .map((flag) => `${file}: ${text}: lacks ${flag}`),
      ),
    )
  expect(wrong).toEqual([])
})
