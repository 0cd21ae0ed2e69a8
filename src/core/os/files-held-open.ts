import { readdirSync, readlinkSync } from 'node:fs'
import path from 'node:path'

/**
 * Those of the files that a process has open, as far as this account may see its descriptors; none
 * where the system has no /proc.
 */
export function filesHeldOpen(files: readonly string[]): ReadonlySet<string> {
  const asked = new Set(files)
  const held = new Set<string>()
  for (const pid of entriesOf('/proc').filter((name) => /^\d+$/.test(name))) {
    const folder = `/proc/${pid}/fd`
    for (const descriptor of entriesOf(folder)) {
      const target = targetOf(path.join(folder, descriptor))
      if (target !== undefined && asked.has(target)) held.add(target)
    }
  }
  return held
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    // Ended meanwhile, or another account's.
    return []
  }
}

function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}
