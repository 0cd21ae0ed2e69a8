/** Processes of the tests' own, in one file each. */
import { renameSync } from 'node:fs'
import path from 'node:path'
import { buildSync } from 'esbuild'
import { packageRoot } from '../../src/core/os/index.ts'

/**
 * Makes a program of a source and all it imports, and returns its path. Started from the sources, a
 * process takes most of a second of CPU to read three hundred files, and a test starts dozens.
 */
export function bundleProcess(source: string): string {
  const name = path.basename(source, '.ts')
  // In here its packages are found, and the folder of Kiln's own files.
  const folder = path.join(packageRoot(), 'node_modules', '.cache', 'kiln-test')
  const temporary = path.join(folder, `${name}-${process.pid}.js`)
  buildSync({
    entryPoints: [source],
    outfile: temporary,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    external: ['isolated-vm', '@duckdb/node-api', 'pg-native'],
    logLevel: 'warning',
    // CommonJS packages inside an ES module bundle still call require for Node's own modules.
    banner: {
      js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);",
    },
  })
  // Several test files make the same one at a time.
  const file = path.join(folder, `${name}.js`)
  renameSync(temporary, file)
  return file
}
