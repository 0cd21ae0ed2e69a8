import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../os/index.ts'

let cached: string | undefined

/** Kiln's version, as in package.json. */
export function programVersion(): string {
  cached ??= (
    JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as {
      version: string
    }
  ).version
  return cached
}
