import { readFileSync } from 'node:fs'

/**
 * The process at the end of a chain of only children: the program inside of bwrap or unshare, which
 * stay around it. The pid itself when it has no child, or where the kernel does not tell.
 */
export function leafOf(pid: number): number {
  for (let leaf = pid; ;) {
    const child = onlyChildOf(leaf)
    if (child === undefined) return leaf
    leaf = child
  }
}

function onlyChildOf(pid: number): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')
    return child ? Number(child) : undefined
  } catch {
    // Gone, or a kernel built without it: the caller checks that it can watch what it gets.
    return undefined
  }
}
