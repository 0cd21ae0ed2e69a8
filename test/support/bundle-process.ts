/** Processes of the tests' own, in one file each. */
import { renameSync } from 'node:fs'
import path from 'node:path'
import { bundle } from '../../scripts/bundle.ts'
import { packageRoot } from '../../src/core/os/index.ts'

/**
 * Makes a program of a source and all it imports, and returns its path. Started from the sources, a
 * process takes most of a second of CPU to read three hundred files, and a test starts dozens.
 */
export async function bundleProcess(source: string): Promise<string> {
  const name = path.basename(source, '.ts')
  // In here its packages are found, and the folder of Kiln's own files.
  const folder = path.join(packageRoot(), 'node_modules', '.cache', 'kiln-test')
  const temporary = `${name}-${process.pid}`
  await bundle({ input: { [temporary]: source }, folder, isOneFile: true })
  // Several test files make the same one at a time.
  const file = path.join(folder, `${name}.js`)
  renameSync(path.join(folder, `${temporary}.js`), file)
  return file
}
