import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'

const known = new Map<string, Promise<readonly string[]>>()

/** Where shared libraries lie when the loader does not tell which are needed. */
const libraryFolders = ['/lib', '/lib64', '/usr/lib', '/usr/lib64', '/nix/store']

/** The shared libraries that a program needs to start, by the paths under which it looks for them. */
export function librariesOf(program: string): Promise<readonly string[]> {
  let libraries = known.get(program)
  if (!libraries) {
    libraries = askLoader(program)
    known.set(program, libraries)
  }
  return libraries
}

/**
 * With this variable glibc's loader lists libraries in place of running the program; other loaders
 * run it, hence the harmless argument.
 */
function askLoader(program: string): Promise<readonly string[]> {
  const env = { LD_TRACE_LOADED_OBJECTS: '1' }
  return new Promise((resolve) => {
    execFile(program, ['--version'], { env, timeout: 5000 }, (_error, stdout) => {
      const paths = [...stdout.matchAll(/(?:^\s*|=> )(\/\S+) \(0x/gm)].map(
        (match) => match[1] ?? '',
      )
      resolve(paths.length > 0 ? paths : libraryFolders.filter((folder) => existsSync(folder)))
    })
  })
}
