import { parseEnv } from 'node:util'
import { expect, test } from 'vitest'
import { parseEnvFile } from '../../../src/core/config/parse-env-file.ts'

const valueOf = (text: string): string | undefined => parseEnvFile(text).values.A

test.each([
  ['A=b', 'b'],
  ['A = b # c', 'b'],
  ['  export A=b', 'b'],
  ['A=', ''],
  ['A= # c', ''],
  ['A=# c', ''],
  // What a shell and systemd take for a value is one: half a password would be worse than none.
  ['A=p#w', 'p#w'],
  ['A=#w', '#w'],
  ['A=p#w # c', 'p#w'],
  ['A=postgresql://u:p#w@h/d?x=1', 'postgresql://u:p#w@h/d?x=1'],
  ['A="p # w" # c', 'p # w'],
  ["A='p # $w \\n' # c", 'p # $w \\n'],
  ['A=`"x\'`', '"x\''],
  ['A="one\\ntwo"', 'one\ntwo'],
  ['A="one\ntwo" # c\nB=3', 'one\ntwo'],
  ["A='one\r\n\r\ntwo'\r\nB=3", 'one\n\ntwo'],
  ['A=$HOME ${HOME} $(id) %41', '$HOME ${HOME} $(id) %41'],
  ['\uFEFFA=b\r\n', 'b'],
  ['A=b c', 'b c'],
  ['A=1\nA=2', '2'],
  ['A==b=', '=b='],
])('%j', (text, value) => {
  expect(valueOf(text)).toBe(value)
  expect(parseEnvFile(text).problems).toEqual([])
})

test('goes on after lines that it cannot read, and names them', () => {
  const { values, problems } = parseEnvFile("A b\nB=\"x\n=c\n1D=e\nC='y'z\nD=4\n")
  expect(values).toEqual({ B: '"x', C: 'y', D: '4' })
  expect(problems.map(({ line, name }) => [line, name])).toEqual([
    [1, undefined],
    [2, 'B'],
    [3, undefined],
    [4, undefined],
    [5, 'C'],
  ])
})

test('reads as Node does what has no # in a bare value', () => {
  const text = [
    '# head',
    'A=b',
    'B = "c" # d',
    "C='e f'",
    'export D=g   ',
    'E="h\\ni"',
    'F=',
    'G=a=b',
    '',
  ].join('\n')
  expect(parseEnvFile(text).values).toEqual({ ...parseEnv(text) })
})
