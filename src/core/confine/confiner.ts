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
  /** Of mount(8). */
  readonly mountPath: string
  /**
   * One step of mount(8) makes a bind mount that is read-only, and one call of it all of them: so does
   * util-linux of 2015 and newer. Others leave it writable without a word.
   */
  readonly canBindReadOnly: boolean
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
  const file = findProgram(kind)
  if (file === undefined) return undefined
  if (kind === 'unshare') {
    const mountPath = findProgram('mount') ?? 'mount'
    const canBindReadOnly = isNewUtilLinux(await versionText(mountPath))
    return { kind, path: file, canDisableNamespaces: false, mountPath, canBindReadOnly }
  }
  const [major = 0, minor = 0] = numbersOf(await versionText(file))
  const canDisableNamespaces = major > 0 || minor >= 8
  return { kind, path: file, canDisableNamespaces, mountPath: '', canBindReadOnly: true }
}

const findProgram = (name: string): string | undefined =>
  folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file))

function isNewUtilLinux(text: string): boolean {
  const [major = 0, minor = 0] = numbersOf(text)
  return text.includes('util-linux') && (major > 2 || (major === 2 && minor >= 27))
}

const numbersOf = (text: string): number[] =>
  (/\d+\.\d+/.exec(text)?.[0] ?? '0.0').split('.').map(Number)

function versionText(file: string): Promise<string> {
  return new Promise((resolve) => {
    execFile(file, ['--version'], { env: {}, timeout: 2000 }, (_error, stdout) => resolve(stdout))
  })
}
