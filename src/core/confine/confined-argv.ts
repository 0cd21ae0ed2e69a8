import { realpathSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Confiner } from './confiner.ts'
import { librariesOf } from './libraries.ts'
import { packageFolders } from './package-folders.ts'

/** A Node program and all it may see of the machine. */
export interface ConfinedNode {
  readonly nodePath: string
  readonly flags: readonly string[]
  /** An ES module in one file. */
  readonly entryPath: string
  readonly args: readonly string[]
  /** npm packages that it imports. */
  readonly packages: readonly string[]
  /** Further files and folders, under their own paths. */
  readonly readable?: readonly string[]
  readonly writable?: readonly string[]
}

type Mount = readonly [from: string, to: string]

/**
 * The words of a command that runs Node in a view of its own: empty network, own process ids, own
 * root folder with nothing in it but Node, its libraries, the program (under `/kiln`, so that it does
 * not learn where it is installed) and what else is named. The whole view is read-only but for
 * `writable`. Two processes stay around it and end with it; its exit code is 128 + N after signal N.
 *
 * Behind unshare, a view with nothing writable sets `ulimit -f 0` itself, and the caller must not have set
 * it: to put up the view a file is written. Behind bwrap the caller sets it.
 */
export async function confinedArgv(confiner: Confiner, node: ConfinedNode): Promise<string[]> {
  const libraries = await librariesOf(node.nodePath)
  const packages = packageFolders(node.packages, realpathSync(node.entryPath))
  const readOnly: Mount[] = [
    ...libraries.map((file): Mount => [file, file]),
    [realpathSync(node.nodePath), '/kiln/node'],
    // By this name it is an ES module without a package.json to say so.
    [realpathSync(node.entryPath), '/kiln/main.mjs'],
    ...[...packages].map(([name, folder]): Mount => [folder, `/kiln/node_modules/${name}`]),
    ...(node.readable ?? []).map((file): Mount => [file, file]),
  ]
  const writable = (node.writable ?? []).map((file): Mount => [file, file])
  const argv = ['/kiln/node', ...node.flags, '/kiln/main.mjs', ...node.args]
  return confiner.kind === 'bwrap'
    ? bwrapArgv(confiner, readOnly, writable, argv)
    : unshareArgv(confiner, readOnly, writable, argv)
}

function bwrapArgv(
  confiner: Confiner,
  readOnly: readonly Mount[],
  writable: readonly Mount[],
  argv: readonly string[],
): string[] {
  return [
    confiner.path,
    '--unshare-user',
    ...(confiner.canDisableNamespaces ? ['--disable-userns'] : []),
    '--unshare-ipc',
    '--unshare-pid',
    '--unshare-net',
    '--unshare-uts',
    '--unshare-cgroup-try',
    '--die-with-parent',
    '--new-session',
    ...readOnly.flatMap(([from, to]) => ['--ro-bind', from, to]),
    ...writable.flatMap(([from, to]) => ['--bind', from, to]),
    '--remount-ro',
    '/',
    '--chdir',
    '/',
    ...argv,
  ]
}

/**
 * The same by hand, for hosts without bwrap. The new root is put over /sys, which exists everywhere
 * and holds nothing of ours. A second user namespace takes all rights away again; in a changed root
 * the kernel lets nobody make another. All folders are made and all mounts are done by one call each
 * where that can be: a program that starts is a millisecond, and there are a dozen mounts.
 */
const unshareScript = `set -e
umask 022
mount=$1
folders=$2
table=$3
files=$4
shift 4
"$mount" -t tmpfs -o size=256k,mode=755,nosuid,nodev kiln /sys
IFS='
'
set -f
[ -z "$folders" ] || mkdir -p $folders
unset IFS
set +f
while [ "$1" != -- ]; do
  to="/sys$3"
  if [ -d "$2" ]; then folder=$to; else folder=\${to%/*}; fi
  [ -d "$folder" ] || mkdir -p "$folder"
  [ -d "$2" ] || : > "$to"
  if [ -z "$table" ]; then
    "$mount" -o "bind,$1,nosuid,nodev" "$2" "$to"
    "$mount" -o "remount,bind,$1,nosuid,nodev" "$to"
  fi
  shift 3
done
shift
if [ -n "$table" ]; then
  printf %s "$table" > /sys/.kiln-mounts
  "$mount" -a -T /sys/.kiln-mounts
  rm /sys/.kiln-mounts
fi
[ "$files" = writable ] || ulimit -f 0
"$mount" -o remount,bind,ro,nosuid,nodev /sys
"$0" --user --map-user=65534 --map-group=65534 --root=/sys --wd=/ "$@"
exit $?`

function unshareArgv(
  confiner: Confiner,
  readOnly: readonly Mount[],
  writable: readonly Mount[],
  argv: readonly string[],
): string[] {
  const newRoot = '/sys'
  const folders = [...readOnly, ...writable]
    .map(([from, to]) =>
      statSync(from, { throwIfNoEntry: false })?.isDirectory() ? to : path.dirname(to),
    )
    .filter((folder) => !folder.includes('\n'))
    .map((folder) => newRoot + folder)
  const lineOf = (options: string, [from, to]: Mount): string =>
    `${fstabField(from)} ${fstabField(newRoot + to)} none bind,${options},nosuid,nodev 0 0\n`
  const table = [
    ...readOnly.map((mount) => lineOf('ro', mount)),
    ...writable.map((mount) => lineOf('rw', mount)),
  ].join('')
  const namespaces = '--user --map-root-user --mount --net --ipc --uts --pid --fork'
  return [
    confiner.path,
    ...namespaces.split(' '),
    '--kill-child=SIGKILL',
    '/bin/sh',
    '-c',
    unshareScript,
    confiner.path,
    confiner.mountPath,
    oneWord([...new Set(folders)].join('\n')),
    confiner.canBindReadOnly ? oneWord(table) : '',
    // Only now: the table is a file that grows.
    writable.length > 0 ? 'writable' : 'read-only',
    ...readOnly.flatMap(([from, to]) => ['ro', from, to]),
    ...writable.flatMap(([from, to]) => ['rw', from, to]),
    '--',
    ...argv,
  ]
}

/** As fstab(5) wants it: blanks and backslashes in octal. */
const fstabField = (text: string): string =>
  text.replaceAll(
    // All of one byte; what else is blank has bytes that mean nothing there.
    /[ \t\n\v\f\r\\]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )

/** Linux takes words of at most 128 KB; without this one, the rest of the words say the same. */
const oneWord = (text: string): string => (Buffer.byteLength(text) < 100_000 ? text : '')
