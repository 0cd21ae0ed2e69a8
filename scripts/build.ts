/**
 * Bundles Kiln into dist/: one entry per command with shared chunks, so that a command loads only
 * what it uses; each child process as a file of its own; then oclif's manifest and a warm compile
 * cache. Native packages stay outside the bundle.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Plugin as OclifPlugin } from '@oclif/core'
import { type BuildOptions, type Plugin, build } from 'esbuild'

const root = path.resolve(import.meta.dirname, '..')
const dist = path.join(root, 'dist')
rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)

/**
 * `@oclif/core` as a whole loads its help, its plugin loader and semver with every command: a
 * bundle gets only the parts that commands import.
 */
const oclifParts: Plugin = {
  name: 'oclif-parts',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@oclif\/core$/ }, () => ({ path: 'core', namespace: 'oclif-parts' }))
    onLoad({ filter: /.*/, namespace: 'oclif-parts' }, () => ({
      resolveDir: root,
      contents: `
        export * as Args from '@oclif/core/args'
        export { Command } from '@oclif/core/command'
        export * as Flags from '@oclif/core/flags'`,
    }))
  },
}

const shared: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  plugins: [oclifParts],
  external: ['isolated-vm', '@duckdb/node-api', 'pg-native'],
  logLevel: 'warning',
  legalComments: 'none',
  minifySyntax: true,
  minifyWhitespace: true,
  // CommonJS packages inside an ES module bundle still call require for Node's own modules.
  banner: {
    js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);",
  },
}

const commands = globSync('src/commands/**/*.ts', { cwd: root })
await build({
  ...shared,
  entryPoints: [
    ...commands.map((file) => ({
      in: file,
      out: path.relative('src', file).replace(/\.ts$/, ''),
    })),
    { in: 'src/cli/main.ts', out: 'main' },
    { in: 'src/core/index.ts', out: 'index' },
  ],
  outdir: 'dist',
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
})

const processes = {
  sandbox: 'src/core/sandbox/process/main.ts',
  duckdb: 'src/core/duckdb/process/main.ts',
  probe: 'src/core/sandbox/probe/main.ts',
}
for (const [name, entry] of Object.entries(processes)) {
  await build({ ...shared, entryPoints: [entry], outfile: `dist/processes/${name}.js` })
}

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

// A run of each kind fills the compile cache that the build ships (bin/start.js reads it). The last
// one loads what commands need for a database; it fails, for nothing listens on port 1.
const run = path.join(root, 'bin', 'run.js')
for (const warm of [['--version'], ['--help'], ['job', 'list', '--help'], ['job', 'list']]) {
  spawnSync(process.execPath, [run, ...warm], {
    stdio: 'ignore',
    env: { ...process.env, DATABASE_URL: 'postgresql://kiln@127.0.0.1:1/kiln' },
  })
}
