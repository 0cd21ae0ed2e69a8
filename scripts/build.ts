/**
 * Bundles Kiln into dist/: one entry per command with shared chunks, so that a command loads only
 * what it uses; each child process as a file of its own; then oclif's manifest and a warm compile
 * cache. Native packages stay outside the bundle.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Plugin as OclifPlugin } from '@oclif/core'
import { nodeFlags } from '../src/core/sandbox/start-command.ts'
import type { ReferenceCommand } from './reference/command-pages.ts'
import { manPages } from './reference/man-pages.ts'
import { bundle } from './bundle.ts'

const root = path.resolve(import.meta.dirname, '..')
const dist = path.join(root, 'dist')
rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)

const commands = globSync('src/commands/**/*.ts', { cwd: root })
await bundle({
  input: {
    ...Object.fromEntries(
      commands.map((file) => [path.relative('src', file).replace(/\.ts$/, ''), file]),
    ),
    main: 'src/cli/main.ts',
  },
  folder: dist,
  commonFrom: Math.ceil(commands.length / 3),
})
await bundle({ input: { index: 'src/core/index.ts' }, folder: dist })

const processes = {
  sandbox: 'src/core/sandbox/process/main.ts',
  duckdb: 'src/core/duckdb/process/main.ts',
  probe: 'src/core/sandbox/probe/main.ts',
}
const bundleProcess = (name: keyof typeof processes, define: Record<string, string> = {}) =>
  bundle({
    input: { [name]: processes[name] },
    folder: path.join(dist, 'processes'),
    isOneFile: true,
    define,
  })
await bundleProcess('duckdb')
await bundleProcess('probe')
// A sandbox carries what V8 makes of the code in its isolates, as its own Node makes it: each isolate
// would compile it anew, and a process that serves two jobs never make up for it.
await bundleProcess('sandbox')
const bridgeCache = spawnSync(
  process.execPath,
  [...nodeFlags, path.join(dist, 'processes/sandbox.js'), 'bridge-cache'],
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
)
if (bridgeCache.status !== 0) throw new Error('the built sandbox makes no cache of its bridge')
await bundleProcess('sandbox', { shippedBridgeCache: JSON.stringify(bridgeCache.stdout) })

// The type declarations of scripts travel with the program. The migrations need no copy: sources
// and build read the folder beside package.json.
if (existsSync(path.join(root, 'types'))) {
  cpSync(path.join(root, 'types'), path.join(dist, 'types'), { recursive: true })
}

const plugin = new OclifPlugin({
  root,
  type: 'core',
  ignoreManifest: true,
  errorOnManifestCreate: true,
  respectNoCacheDefault: true,
})
await plugin.load()
writeFileSync(
  path.join(root, 'oclif.manifest.json'),
  `${JSON.stringify(plugin.manifest, null, 2)}\n`,
)

// Manual pages follow from the manifest, so nobody keeps them in step.
mkdirSync(path.join(dist, 'man'))
const commandsOfBuild = Object.values(plugin.manifest.commands) as ReferenceCommand[]
for (const [file, text] of manPages(commandsOfBuild, plugin.version)) {
  writeFileSync(path.join(dist, 'man', file), text)
}

// A run of each kind fills the compile cache that the build ships (bin/start.js reads it). The last
// one loads what commands need for a database; it fails, for nothing listens on port 1.
const run = path.join(root, 'bin', 'run.js')
for (const warm of [['--version'], ['--help'], ['job', 'list', '--help'], ['job', 'list']]) {
  spawnSync(process.execPath, [run, ...warm], {
    stdio: 'ignore',
    env: { ...process.env, DATABASE_URL: 'postgresql://kiln@127.0.0.1:1/kiln' },
  })
}
