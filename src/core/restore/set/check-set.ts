import type { StatsFs } from 'node:fs'
import { statfs } from 'node:fs/promises'
import path from 'node:path'
import {
  type BackupSet,
  type Manifest,
  type VerifyFinding,
  objectsOf,
  requireReadable,
  verifyObjects,
} from '../../backup/index.ts'
import { KilnError, errorCodeOf } from '../../errors/index.ts'
import { loadMigrations } from '../../migrate/index.ts'
import { formatSize } from '../../units/index.ts'
import type { OnRestoreProgress } from '../progress.ts'

export type SetPart = 'postgres' | 'duckdb'

/** A set with only what a restore of one part reads, so that no more is checked than is used. */
export function partOfSet(set: BackupSet, part: SetPart): BackupSet {
  const { manifest } = set
  const rest = { config: null, envFiles: [] }
  const only: Manifest =
    part === 'postgres'
      ? {
          ...manifest,
          ...rest,
          duckdb: [],
          postgres: manifest.postgres && { ...manifest.postgres, dump: null },
        }
      : { ...manifest, ...rest, postgres: null, results: [], datasourceKey: null }
  return { ...set, manifest: only }
}

/**
 * Everything that can be wrong with a set is found before anything is written: a missing part or
 * passphrase, a newer schema, each byte that is not what was written.
 *
 * @throws KilnError BACKUP_NOT_FOUND, BACKUP_PASSPHRASE_MISSING, BACKUP_DAMAGED, SCHEMA_NEWER.
 */
export async function checkSet(
  set: BackupSet,
  part: SetPart,
  signal: AbortSignal,
  onProgress?: OnRestoreProgress,
): Promise<void> {
  const { manifest } = set
  if (!manifest.parts.includes(part)) {
    throw new KilnError('BACKUP_NOT_FOUND', `${set.id} has no ${part} in it`, {
      hint: 'choose another set: kiln backup list',
    })
  }
  requireReadable(set)
  if (part === 'postgres') await requireKnownSchema(set)
  const used = partOfSet(set, part)
  let doneBytes = 0
  const totalBytes = objectsOf(used.manifest).reduce((sum, { storedBytes }) => sum + storedBytes, 0)
  const findings = await verifyObjects(used, {
    level: 'full',
    signal,
    onBytes: (bytes) => {
      doneBytes += bytes
      onProgress?.({ phase: 'checking', doneBytes, totalBytes })
    },
  })
  if (findings.length > 0) throw damagedSet(set.id, findings)
}

function damagedSet(id: string, findings: readonly VerifyFinding[]): KilnError {
  const [first] = findings
  const more = findings.length > 1 ? `, and ${findings.length - 1} more` : ''
  return new KilnError(
    'BACKUP_DAMAGED',
    `${id} is damaged: ${first?.object ?? ''}: ${first?.reason ?? ''}${more}`,
    {
      hint: 'use another set, nothing was changed: kiln backup list',
      details: {
        findings: findings.slice(0, 100).map(({ object, reason }) => ({ object, reason })),
      },
    },
  )
}

/** Versions of migrations that this program has and the set lacks, oldest first. */
export async function missingMigrations({ manifest }: BackupSet): Promise<readonly string[]> {
  const had = new Set(manifest.postgres?.migrations.map(({ version }) => BigInt(version)))
  const known = await loadMigrations()
  return known.filter(({ version }) => !had.has(BigInt(version))).map(({ version }) => version)
}

async function requireKnownSchema({ id, manifest }: BackupSet): Promise<void> {
  const known = new Set((await loadMigrations()).map(({ version }) => BigInt(version)))
  const newer = (manifest.postgres?.migrations ?? []).filter(
    ({ version }) => !known.has(BigInt(version)),
  )
  if (newer.length === 0) return
  const newest = [...known].reduce((a, b) => (a > b ? a : b), 0n)
  throw new KilnError(
    'SCHEMA_NEWER',
    `${id} has the schema of migration ${newer.at(-1)?.version ?? ''}, this program knows up to ${String(newest).padStart(4, '0')}`,
    {
      hint: `restore it with Kiln ${manifest.programVersion} or newer`,
      details: { unknown: newer.map(({ version }) => version) },
    },
  )
}

/**
 * Makes sure that a folder's device has room, with a tenth to spare.
 *
 * @throws KilnError DISK_FULL.
 */
export async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfsOf(folder)
  const free = bavail * bsize
  const needed = Math.ceil(bytes * 1.1)
  if (free >= needed) return
  throw new KilnError(
    'DISK_FULL',
    `${folder} has ${formatSize(free)} free, and the restore needs ${formatSize(needed)}`,
    {
      hint: 'free space on the device, then run the command again',
      details: { free_bytes: free, needed_bytes: needed },
    },
  )
}

/** A folder that is not there yet will be on the device of the one above it. */
async function statfsOf(folder: string): Promise<StatsFs> {
  try {
    return await statfs(folder)
  } catch (error) {
    const parent = path.dirname(folder)
    if (errorCodeOf(error) !== 'ENOENT' || parent === folder) throw error
    return await statfsOf(parent)
  }
}
