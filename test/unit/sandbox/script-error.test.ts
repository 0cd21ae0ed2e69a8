import { describe, expect, it } from 'vitest'
import { explainImport, importError } from '../../../src/core/sandbox/process/explain-import.ts'
import { scriptError } from '../../../src/core/sandbox/process/script-error.ts'
import { typeScriptError } from '../../../src/core/sandbox/process/strip-types.ts'

const stackOf = (...frames: string[]) =>
  ['Error: x', ...frames.map((at) => `    at ${at}`)].join('\n')

describe('scriptError', () => {
  it('takes its place from the first frame of the script', () => {
    const stack = stackOf(
      'fill (<kiln>:3:4)',
      'deep (a b.js:7:9)',
      'async run (a b.js:2:1)',
      'x (node:vm:1:1)',
    )
    expect(scriptError('script_error', { name: 'Error', message: 'x', stack }, 'a b.js')).toEqual({
      code: 'script_error',
      name: 'Error',
      message: 'x',
      line: 7,
      column: 9,
      stack: 'at deep (a b.js:7:9)\nat async run (a b.js:2:1)',
    })
  })

  it('does not take the message for frames', () => {
    const message = 'x\n    at fake (a.js:99:99)'
    const stack = `Error: ${message}\n    at real (a.js:1:2)`
    expect(scriptError('', { message, stack }, 'a.js')).toMatchObject({ line: 1, column: 2 })
  })

  it('takes the place of a syntax error from its message', () => {
    const message = "Unexpected token '=' [a.js:2:11]"
    expect(scriptError('', { message, stack: '' }, 'a.js')).toMatchObject({
      message: "Unexpected token '='",
      line: 2,
      column: 11,
    })
  })

  it.each([{}, { name: 1, message: null, stack: {} }])('has no place in %j', (thrown) => {
    expect(scriptError('', thrown, 'a.js')).toMatchObject({ name: '', message: '', line: null })
  })
})

describe('typeScriptError', () => {
  it.each([
    [':2\nlet a\nlet x: = 3\n       ^\n\nSyntaxError: Expected', 2, 8],
    ['file.ts:1\nenum A { b }\n^^^^^^^^^^^^\n\nSyntaxError: no', 1, 1],
    ['SyntaxError: no place', null, null],
  ])('reads the place from %j', (stack, line, column) => {
    expect(typeScriptError('m\nmore', stack)).toMatchObject({ message: 'm', line, column })
  })
})

describe('importError', () => {
  it.each([
    ["const a = 1\n  import b from 'b'", 'b', 2, 3],
    ["import {\n  a\n} from 'a.+'", 'a.+', 1, 1],
    ['export * from "x"', 'x', 1, 1],
    ['nothing of it', 'x', null, null],
  ])('finds the statement in %j', (source, specifier, line, column) => {
    expect(importError(source, specifier)).toMatchObject({ line, column })
  })
})

describe('explainImport', () => {
  const error = { code: 'script_error', line: 1, column: 11, stack: '' }

  it('names the specifier of the line', () => {
    const source = 'const a = await import(`fs`)'
    const explained = explainImport({ ...error, name: 'Error', message: 'Not supported' }, source)
    expect(explained.message).toMatch(/^import\("fs"\) is refused/)
  })

  it('leaves other errors alone', () => {
    const other = { ...error, name: 'TypeError', message: 'Not supported' }
    expect(explainImport(other, 'import("x")')).toBe(other)
  })
})
