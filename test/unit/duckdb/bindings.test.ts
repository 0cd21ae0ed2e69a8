import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, it } from 'vitest'
import { packageRoot } from '../../../src/core/os/index.ts'

interface Package {
  readonly dependencies: Readonly<Record<string, string>>
}
const read = (...file: readonly string[]): Package =>
  JSON.parse(readFileSync(path.join(packageRoot(), ...file, 'package.json'), 'utf8')) as Package

it('runs the bundled client with the native part that it was made for', () => {
  const { dependencies } = read('node_modules', '@duckdb', 'node-api')
  const name = '@duckdb/node-bindings'
  expect(read().dependencies[name]).toBe(dependencies[name])
})
