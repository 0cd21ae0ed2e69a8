import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'

/** The programs that can give a process a view of its own, the better one first. */
export const confinerKinds = ['bwrap', 'unshare'] as const
export type ConfinerKind = (typeof confinerKinds)[number]

export interface Confiner {
  readonly kind: ConfinerKind
  readonly path: string
  /** bwrap 0.8 and newer can forbid the process to make namespaces in turn. */
  readonly canDisableNamespaces: boolean
}

/** Not PATH: what confines a hostile process is the system's own program. */
const folders = ['/usr/bin', '/bin', '/usr/local/bin', '/run/current-system/sw/bin']

const found = new Map<ConfinerKind, Promise<Confiner | undefined>>()

/** The system's program of this kind; undefined when it is not installed. Whether it works shows its use. */
export function findConfiner(kind: ConfinerKind): Promise<Confiner | undefined> {
  let confiner = found.get(kind)
  if (!confiner) {
    confiner = look(kind)
    found.set(kind, confiner)
  }
  return confiner
}

async function look(kind: ConfinerKind): Promise<Confiner | undefined> {
  if (process.platform !== 'linux') return undefined
  const file = folders.map((folder) => path.join(folder, kind)).find((name) => existsSync(name))
  if (file === undefined) return undefined
  if (kind === 'unshare') return { kind, path: file, canDisableNamespaces: false }
  const [major = 0, minor = 0] = (await versionOf(file)).split('.').map(Number)
  return { kind, path: file, canDisableNamespaces: major > 0 || minor >= 8 }
}

function versionOf(file: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, ['--version'], { env: {}, timeout: 2000 }, (_error, stdout) => {
      resolve(/\d+\.\d+/.exec(stdout)?.[0] ?? '0.0')
    })
  })
}
