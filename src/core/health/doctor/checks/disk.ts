import { chmod, lstat, readdir, statfs } from 'node:fs/promises'
import path from 'node:path'
import { fileExists, isRoot, nearestFolder } from '../../../os/index.ts'
import { formatSize } from '../../../units/index.ts'
import { type Check, type Finding, critical, judge, ok, skipped, warning } from '../check.ts'

const group = 'disk'

export const diskChecks: readonly Check[] = [
  {
    id: 'disk.space',
    group,
    title: 'the device of the data folder has room',
    needs: 'settings',
    look: async ({ settings: { dataDir } }) => {
      const { bsize, blocks, bavail } = await statfs(await nearestFolder(dataDir))
      const free = bsize * bavail
      const percent = (100 * bavail) / blocks
      const fact = `${formatSize(free)} free, ${percent.toFixed(0)} %`
      const rest = { threshold: '10 %, and 1 GB', mend: 'kiln cleanup, or a larger device' }
      if (percent < 3 || free < 256 * 1024 ** 2) return critical(fact, rest)
      return percent < 10 || free < 1024 ** 3 ? warning(fact, rest) : ok(fact, rest.threshold)
    },
  },
  {
    id: 'disk.inodes',
    group,
    title: 'the device of the data folder can take more files',
    needs: 'settings',
    look: async ({ settings: { dataDir } }) => {
      const { files, ffree } = await statfs(await nearestFolder(dataDir))
      if (files === 0) return skipped('this file system does not count them')
      const used = (100 * (files - ffree)) / files
      return judge(
        used,
        { warning: 90, critical: 97 },
        {
          fact: `${used.toFixed(0)} % of inodes are in use`,
          threshold: '90 %',
          mend: 'kiln cleanup',
        },
      )
    },
  },
  {
    id: 'disk.modes',
    group,
    title: 'others can read nothing of the data folder',
    needs: 'settings',
    look: async ({ settings: { dataDir } }) => {
      if (!(await fileExists(dataDir))) return skipped('there is no data folder yet')
      return judgeModes(await openPlaces(dataDir), dataDir)
    },
  },
  {
    id: 'disk.owner',
    group,
    title: 'the data folder belongs to the account that runs this',
    needs: 'settings',
    look: async ({ settings: { dataDir } }) => {
      const found = await lstat(dataDir).catch(() => undefined)
      if (!found) return skipped('there is no data folder yet')
      const own = process.geteuid?.() ?? found.uid
      if (found.uid === own) return ok(`uid ${own}`)
      return warning(`it belongs to uid ${found.uid}, this is uid ${own}`, {
        mend: 'run commands under the account of the service',
      })
    },
  },
]

interface Place {
  readonly path: string
  readonly isFolder: boolean
  /** The most that it may let in. */
  readonly mode: number
}

/** As root the accounts of sandboxes pass through the folder, without listing it. */
const folderMode = (): number => (isRoot() ? 0o711 : 0o700)
/** Nobody but the service itself has to do with these. */
const closedFolders = new Set(['backups', 'keys', 'results', 'tmp'])

function judgeModes(open: readonly Place[], dataDir: string): Finding {
  if (open.length === 0) return ok(`${dataDir}: for its owner alone`)
  const shown = open.slice(0, 5).map((place) => place.path)
  const more = open.length > shown.length ? ` and ${open.length - shown.length} more` : ''
  return warning(`others may look into ${shown.join(', ')}${more}`, {
    threshold: 'folders 0700 (as root 0711 where jobs pass), files 0600',
    mend: 'kiln doctor --only disk.modes --fix',
    repair: {
      kind: 'files',
      run: async () => {
        for (const place of open) await chmod(place.path, place.mode)
      },
    },
  })
}

/**
 * Of the folder itself, what lies in it, the databases of projects and the keys. What lies deeper is
 * closed by these; Postgres looks after its own.
 */
async function openPlaces(dataDir: string): Promise<Place[]> {
  const places: Place[] = [
    { path: dataDir, isFolder: true, mode: folderMode() },
    ...(await entriesOf(dataDir)).map((place) =>
      place.isFolder && closedFolders.has(path.basename(place.path))
        ? { ...place, mode: 0o700 }
        : place,
    ),
    ...(await entriesOf(path.join(dataDir, 'keys'))),
  ]
  const databases = path.join(dataDir, 'databases')
  for (const project of await entriesOf(databases)) {
    places.push(project, ...(project.isFolder ? await entriesOf(project.path) : []))
  }
  const open: Place[] = []
  for (const place of places) {
    const found = await lstat(place.path).catch(() => undefined)
    if (found && (found.mode & 0o777 & ~place.mode) !== 0) open.push(place)
  }
  return open
}

async function entriesOf(folder: string): Promise<Place[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => (entry.isFile() || entry.isDirectory()) && entry.name !== 'postgres')
    .map((entry) => ({
      path: path.join(folder, entry.name),
      isFolder: entry.isDirectory(),
      mode: entry.isDirectory() ? folderMode() : 0o600,
    }))
}
