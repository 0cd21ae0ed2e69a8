/**
 * Measures the figures named on the command line, or all: `node bench/run.ts startup load`. Prints
 * one JSON line for each on standard output; ends with 1 if one misses its limit.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import path from 'node:path'
import { type Figure, figureLine, isKept } from './figure.ts'

const folder = import.meta.dirname
const helpers = ['figure', 'run']

const known = globSync('*.ts', { cwd: folder })
  .map((file) => path.basename(file, '.ts'))
  .filter((name) => !helpers.includes(name))
  .sort()
const names = process.argv.length > 2 ? process.argv.slice(2) : known
const unknown = names.filter((name) => !known.includes(name))

if (unknown.length > 0) {
  console.error(`error: no figure ${unknown.join(', ')}; there are: ${known.join(', ')}`)
  process.exitCode = 64
} else if (!existsSync(path.join(folder, '../dist/main.js'))) {
  console.error('error: not built: run npm run build')
  process.exitCode = 78
} else if (names.length === 1) {
  const [name = ''] = names
  const { default: measure } = (await import(path.join(folder, `${name}.ts`))) as {
    default: () => Promise<Figure[]>
  }
  for (const figure of await measure()) {
    console.log(figureLine(figure))
    if (isKept(figure)) continue
    console.error(`missed: ${figure.figure}`)
    process.exitCode = 1
  }
} else {
  // A process for each: what one figure leaves in the heap must not slow the next.
  for (const name of names) {
    const { status } = spawnSync(process.execPath, [import.meta.filename, name], {
      stdio: 'inherit',
    })
    if (status !== 0) process.exitCode = 1
  }
}
