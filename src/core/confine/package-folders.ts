import { readFileSync, realpathSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * Folders of installed packages and of all they depend on, by name, as a program at `from` finds
 * them. What is not installed is left out, such as the native parts for other platforms.
 */
export function packageFolders(names: readonly string[], from: string): Map<string, string> {
  const folders = new Map<string, string>()
  const visit = (name: string, base: string): void => {
    if (folders.has(name)) return
    const file = locate(name, base)
    if (file === undefined) return
    const real = realpathSync(file)
    folders.set(name, path.dirname(real))
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(real, 'utf8')) as Record<
      string,
      Record<string, string> | undefined
    >
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) {
      visit(needed, real)
    }
  }
  for (const name of names) visit(name, from)
  return folders
}

function locate(name: string, base: string): string | undefined {
  try {
    return findPackageJSON(name, pathToFileURL(base))
  } catch {
    return undefined
  }
}
