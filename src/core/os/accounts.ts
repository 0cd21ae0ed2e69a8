import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'

/** An entry of the system's list of accounts. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** True when this process may do what only root may, such as starting programs as others. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0
}

/**
 * The account of a name or uid, undefined when `/etc/passwd` has none. Accounts of a directory
 * service are not seen; those that services run as are local.
 */
export async function findAccount(nameOrUid: string | number): Promise<Account | undefined> {
  let passwd: string
  try {
    passwd = await readFile('/etc/passwd', 'utf8')
  } catch {
    // A container without the file has no accounts.
    return undefined
  }
  for (const line of passwd.split('\n')) {
    const [name, , uid, gid] = line.split(':')
    if (!name || !uid || !gid) continue
    if (name === nameOrUid || Number(uid) === nameOrUid) {
      return { name, uid: Number(uid), gid: Number(gid) }
    }
  }
  return undefined
}

/**
 * True when an account that owns nothing and is in no group may reach a file and read it, or with
 * `enter` pass through a folder. Access lists are not looked at: they may only make it false.
 */
export async function isOpenToOthers(file: string, use: 'read' | 'enter'): Promise<boolean> {
  const bits = { read: 0o004, enter: 0o001 }
  try {
    const { mode } = await stat(file)
    if ((mode & bits[use]) === 0) return false
    const parent = path.dirname(path.resolve(file))
    return parent === path.resolve(file) || (await isOpenToOthers(parent, 'enter'))
  } catch {
    // Not there, or not ours to see: then not theirs either.
    return false
  }
}
