import { createHash } from 'node:crypto'
import { KilnError } from '../../errors/index.ts'

/** What an entry of an archive of `databases/` is. */
export interface DatabaseEntry {
  /** Of the file, without `.duckdb`: the project's id, or `x-` and the hash of one. */
  readonly name: string
  readonly isLog: boolean
}

/**
 * Which database an entry holds; undefined for what is none and is left out. Names are looked at and
 * never used: what is written gets names of ours.
 *
 * @throws KilnError BACKUP_DATA_INVALID for what has no business in an archive: links, devices, ways out.
 */
export function readEntryName(entry: {
  readonly path: string
  readonly type: string
}): DatabaseEntry | undefined {
  const shown = JSON.stringify(entry.path.slice(0, 200))
  const parts = entry.path.split('/').filter((part) => part !== '' && part !== '.')
  if (
    entry.path.startsWith('/') ||
    entry.path.includes('\\') ||
    entry.path.includes('\0') ||
    parts.includes('..')
  ) {
    throw refused(`${shown} leads out of the folder`)
  }
  if (entry.type === 'Directory') return undefined
  if (!['File', 'OldFile', 'ContiguousFile'].includes(entry.type)) {
    throw refused(`${shown} is no regular file but a ${entry.type}`)
  }
  const at = parts.indexOf('databases')
  const [first = '', second] = parts.slice(at + 1)
  if (parts.length - at - 1 > 2) return undefined
  const file = second ?? first
  const match = /^(?<name>\P{Cc}{1,255}?)\.duckdb(?<log>\.wal)?$/u.exec(file)?.groups
  if (!match?.name) return undefined
  if (second !== undefined && first !== match.name) return undefined
  return { name: match.name, isLog: match.log !== undefined }
}

/** The project of a file's name; undefined for the hash of an id that no project has. */
export function projectOfName(name: string, projectIds: readonly string[]): string | undefined {
  if (!/^x-[0-9a-f]{64}$/.test(name)) return name
  return projectIds.find((id) => `x-${createHash('sha256').update(id).digest('hex')}` === name)
}

const refused = (reason: string): KilnError =>
  new KilnError('BACKUP_DATA_INVALID', `the archive is refused: ${reason}`, {
    hint: 'make it with tar of the folder databases, without links: nothing was changed',
  })
