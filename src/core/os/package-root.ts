import { existsSync } from 'node:fs'
import path from 'node:path'

/**
 * The folder that holds Kiln's package.json. Works from the sources and from the bundle, whose
 * files lie at other depths.
 */
export function packageRoot(): string {
  let folder = import.meta.dirname
  while (!existsSync(path.join(folder, 'package.json'))) {
    const parent = path.dirname(folder)
    if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`)
    folder = parent
  }
  return folder
}

/** The built entry file of a child process; `npm run build` makes it. */
export function processEntry(name: 'sandbox' | 'duckdb' | 'probe'): string {
  return path.join(packageRoot(), 'dist', 'processes', `${name}.js`)
}
