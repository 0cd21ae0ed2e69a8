/**
 * Bundles Kiln into dist/: one entry per command with shared chunks, so that a command loads only
 * what it uses; each child process as a file of its own; then oclif's manifest and a warm compile
 * cache. Native packages stay outside the bundle.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Plugin } from '@oclif/core'
import { type BuildOptions, build } from 'esbuild'

const root = path.resolve(import.meta.dirname, '..')
const dist = path.join(root, 'dist')
rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)

const shared: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  external: ['isolated-vm', '@duckdb/node-api', 'pg-native'],
  logLevel: 'warning',
  legalComments: 'none',
  minifySyntax: true,
  minifyWhitespace: true,
  // What runs inside an isolate travels as text.
  loader: { '.guest.js': 'text' },
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

for (const name of ['sandbox', 'duckdb']) {
  const entry = `src/core/${name}/process/main.ts`
  if (!existsSync(path.join(root, entry))) continue
  await build({ ...shared, entryPoints: [entry], outfile: `dist/processes/${name}.js` })
}

// The migrations and the type declarations of scripts travel with the program.
for (const folder of ['migrations', 'types']) {
  if (existsSync(path.join(root, folder))) {
    cpSync(path.join(root, folder), path.join(dist, folder), { recursive: true })
  }
}

const plugin = new Plugin({
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

// One run of each kind fills the compile cache that the build ships (bin/run.js reads it).
const run = path.join(root, 'bin', 'run.js')
for (const warm of [['--version'], ['--help'], ['job', 'list', '--help']]) {
  execFileSync(process.execPath, [run, ...warm], {
    stdio: 'ignore',
    env: { ...process.env, KILN_WARM_COMPILE_CACHE: '1' },
  })
}
