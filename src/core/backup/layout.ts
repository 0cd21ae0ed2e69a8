import path from 'node:path'

/**
 * What lies where in a repository:
 *
 * ```
 * repo.json                                  format and id of the repository
 * lock.json                                  who works on it now
 * backups/<utc>-<kind>-<id>/manifest.json    written last: without it there is no set
 * backups/<utc>-<kind>-<id>/{pg,duckdb,results,keys,config}/…
 * backups/<utc>-<kind>-<id>/verification.json   what the last verification found
 * tmp/<id>/                                  sets in the making
 * ```
 */
export const layout = {
  repositoryFile: 'repo.json',
  lockFile: 'lock.json',
  setsFolder: 'backups',
  temporaryFolder: 'tmp',
  manifestFile: 'manifest.json',
  verificationFile: 'verification.json',
} as const

/** Folders of a set that objects lie in. */
const objectFolders = ['pg', 'duckdb', 'results', 'keys', 'config'] as const

/** Kinds that sets are made as; retention does not tell them apart, people do. */
export const backupKinds = [
  'manual',
  'scheduled',
  'hourly',
  'daily',
  'weekly',
  'monthly',
  'pre-deploy',
  'pre-restore',
] as const

export type BackupKind = (typeof backupKinds)[number]

const setIdPattern = new RegExp(`^\\d{8}T\\d{6}Z-(${backupKinds.join('|')})-[0-9a-f]{8}$`)

/** `20261129T100235Z-manual-3f2a9c1b`: sorts by time, says what it is, and is a safe file name. */
export function setIdOf(startedAt: Date, kind: BackupKind, suffix: string): string {
  const stamp = startedAt.toISOString().replace(/[-:]|\.\d+/g, '')
  return `${stamp}-${kind}-${suffix}`
}

export const isSetId = (text: string): boolean => setIdPattern.test(text)

/**
 * True for a path that an object of a set may have: below one of the folders, of harmless characters,
 * never out of the set. Manifests and archives of others are hostile until this holds.
 */
export function isObjectPath(text: string): boolean {
  const [folder = '', ...rest] = text.split('/')
  return (
    text.length <= 512 &&
    (objectFolders as readonly string[]).includes(folder) &&
    rest.length > 0 &&
    rest.every((part) => /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$/.test(part))
  )
}

export const setsFolderOf = (repository: string): string => path.join(repository, layout.setsFolder)

export const setFolderOf = (repository: string, setId: string): string =>
  path.join(repository, layout.setsFolder, setId)

export const temporaryFolderOf = (repository: string): string =>
  path.join(repository, layout.temporaryFolder)
