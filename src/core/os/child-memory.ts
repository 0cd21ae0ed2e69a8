import { readFile } from 'node:fs/promises'

/**
 * Resident memory of all descendants of this process, in bytes; pages they share count in each.
 * Undefined where the system does not tell.
 */
export async function childMemoryBytes(): Promise<number | undefined> {
  const children = await childrenOf(process.pid)
  if (children === undefined) return undefined
  const sizes = await Promise.all(children.map(sizeOfTree))
  return sizes.reduce((total, size) => total + size, 0)
}

async function sizeOfTree(pid: number): Promise<number> {
  const [status, children] = await Promise.all([
    // It may have ended meanwhile.
    readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''),
    childrenOf(pid),
  ])
  const sizes = await Promise.all((children ?? []).map(sizeOfTree))
  const own = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
  return sizes.reduce((total, size) => total + size, own)
}

/** Node starts children from its main thread, whose id is the pid. */
async function childrenOf(pid: number): Promise<readonly number[] | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    // Ended, not Linux, or a kernel built without it.
    return undefined
  }
}
