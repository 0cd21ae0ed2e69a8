import { realpathSync, statSync } from 'node:fs'
import path from 'node:path'

/**
 * First of the numeric accounts that sandboxes run under when we are root: systemd's range for
 * dynamic users, which no package gives to anybody.
 */
const firstUid = 61_200

const othersRead = 0o004
const othersEnter = 0o001

/**
 * The first uid for sandboxes, or undefined when they must share our account: because we are not
 * root, or because an account without rights could not read the program (as below /root).
 */
export function accountForSandbox(files: readonly string[]): number | undefined {
  if (process.getuid?.() !== 0) return undefined
  return files.every(isReadableByOthers) ? firstUid : undefined
}

function isReadableByOthers(file: string): boolean {
  try {
    const real = realpathSync(file)
    if ((statSync(real).mode & othersRead) === 0) return false
    let folder = path.dirname(real)
    while (folder !== path.dirname(folder)) {
      if ((statSync(folder).mode & othersEnter) === 0) return false
      folder = path.dirname(folder)
    }
    return true
  } catch {
    return false
  }
}
