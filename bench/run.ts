/**
 * Measures the figures named on the command line, or all: `node bench/run.ts startup load`; the name
 * of a folder stands for all in it. Prints one JSON line for each on standard output; ends with 1 if
 * one misses its limit, with 69 if what it is measured against cannot be installed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import path from 'node:path'
import { type Figure, figureLine, isKept } from './figure.ts'
import { PeersMissingError } from './support/queue/ensure-peers.ts'
import { InterruptedError } from './support/queue/interruption.ts'

const folder = import.meta.dirname
const helpers = ['figure', 'run']

const known = globSync('{*,queue/*,schedules/*}.ts', { cwd: folder })
  .map((file) => file.slice(0, -'.ts'.length))
  .filter((name) => !helpers.includes(name))
  .sort()
const given = process.argv.length > 2 ? process.argv.slice(2) : known
const names = given.flatMap((name) => {
  const inFolder = known.filter((other) => other.startsWith(`${name}/`))
  return inFolder.length > 0 ? inFolder : [name]
})
const unknown = names.filter((name) => !known.includes(name))

if (unknown.length > 0) {
  console.error(`error: no figure ${unknown.join(', ')}; there are: ${known.join(', ')}`)
  process.exitCode = 64
} else if (!existsSync(path.join(folder, '../dist/main.js'))) {
  console.error('error: not built: run npm run build')
  process.exitCode = 78
} else if (names.length === 1) {
  await measure(names[0] ?? '')
} else {
  // A process for each: what one figure leaves in the heap must not slow the next.
  for (const name of names) {
    const { status } = spawnSync(process.execPath, [import.meta.filename, name], {
      stdio: 'inherit',
    })
    if (status !== 0) process.exitCode = status ?? 1
  }
}

async function measure(name: string): Promise<void> {
  const module = (await import(path.join(folder, `${name}.ts`))) as {
    default: () => Promise<Figure[]>
  }
  try {
    for (const figure of await module.default()) {
      console.log(figureLine(figure))
      if (isKept(figure)) continue
      console.error(`missed: ${figure.figure}`)
      process.exitCode = 1
    }
  } catch (error) {
    const isInterrupted = error instanceof InterruptedError
    if (!isInterrupted && !(error instanceof PeersMissingError)) throw error
    console.error(`error: ${error.message}`)
    process.exitCode = isInterrupted ? 130 : 69
  }
}
