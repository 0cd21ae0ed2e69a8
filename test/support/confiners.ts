import { spawnSync } from 'node:child_process'

/** What each needs of the host. */
const trials = {
  bwrap: 'bwrap --unshare-user --unshare-pid --unshare-net --ro-bind / / true',
  unshare: 'unshare --user --map-root-user --mount --net --ipc --uts --pid --fork true',
}

/** Whether a program is here that gives processes a view of their own, and may; as sandboxes start it. */
export function isConfinerPossible(kind: keyof typeof trials): boolean {
  const [file = '', ...args] = trials[kind].split(' ')
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  return spawnSync(file, args, { cwd: '/', ...nobody }).status === 0
}
