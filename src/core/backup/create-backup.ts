import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import type { Context } from '../context.ts'
import { databaseError, isDatabaseError, promptDatabase } from '../database/index.ts'
import { messageOf } from '../errors/index.ts'
import { programVersion } from '../migrate/index.ts'
import { fileError } from '../os/index.ts'
import { backUpConfig } from './back-up-config.ts'
import { backUpDatabases } from './back-up-databases.ts'
import { backUpPostgres } from './back-up-postgres.ts'
import { createKey } from './encryption.ts'
import { setIdOf, temporaryFolderOf } from './layout.ts'
import type { CreateBackupInput, Making, PartOfManifest } from './making.ts'
import { type Manifest, manifestFormat, objectsOf } from './manifest.ts'
import { publishSet, removeUnfinishedSets, removeTree } from './publish-set.ts'
import { recordBackup } from './record-backup.ts'
import { lockRepository } from './repository-lock.ts'
import { ensureRepository } from './repository.ts'

export interface CreatedBackup {
  readonly id: string
  /** Folder of the set. */
  readonly path: string
  readonly manifest: Manifest
  readonly durationMs: number
  /** What went wrong after the set was published; it is whole all the same. */
  readonly warnings: readonly string[]
}

/**
 * Makes a backup set. It is published whole or not at all; what could not be had of files is named in
 * `manifest.problems` of a `partial` set.
 *
 * @throws KilnError BACKUP_REPOSITORY_BUSY, LOCK_TIMEOUT while somebody migrates, DISK_FULL,
 * DATABASE_CONNECTION_FAILED, TOOL_MISSING for `full` without pg_dump.
 */
export async function createBackup(
  { database, ...given }: Context,
  input: CreateBackupInput,
): Promise<CreatedBackup> {
  const context = { ...given, database: promptDatabase(database, input.silenceLimitMs ?? 60_000) }
  const startedAt = new Date(context.clock.now())
  const began = context.clock.monotonic()
  const repository = await ensureRepository(path.resolve(input.repository))
  const usesDatabase = input.parts.some((part) => part !== 'config')
  const lock = await lockRepository(repository, {
    purpose: 'kiln backup create',
    waitMs: input.waitMs ?? 0,
    signal: context.signal,
    ...(usesDatabase ? { database: context.database } : {}),
    silenceLimitMs: input.silenceLimitMs,
  })
  try {
    await removeUnfinishedSets(repository)
    const kind = input.kind ?? 'manual'
    const id = setIdOf(startedAt, kind, randomBytes(4).toString('hex'))
    const folder = path.join(temporaryFolderOf(repository.path), id)
    const secret = input.passphrase === undefined ? undefined : await createKey(input.passphrase)
    const key = secret?.key ?? null
    try {
      await mkdir(folder, { mode: 0o700 })
      const parts = await makeParts(context, { folder, key, input })
      const manifest = assemble(parts, {
        id,
        repositoryId: repository.id,
        kind,
        label: input.label ?? null,
        profile: input.profile ?? 'analysis',
        parts: [...input.parts],
        startedAt: startedAt.toISOString(),
        finishedAt: new Date(context.clock.now()).toISOString(),
        encryption: secret?.encryption ?? null,
      })
      const written = await publishSet(repository, lock, folder, manifest, key)
      const warnings: string[] = []
      await recordBackup(context, repository, written, 'backup.create').catch(
        (error: unknown) => void warnings.push(`analysis_backups: ${messageOf(error)}`),
      )
      return {
        id,
        path: path.join(repository.path, 'backups', id),
        manifest,
        durationMs: context.clock.monotonic() - began,
        warnings,
      }
    } catch (error) {
      // What cannot be removed now is removed by the next backup.
      await removeTree(folder).catch(() => undefined)
      context.signal.throwIfAborted()
      throw codedError(error, folder, database.target.label)
    }
  } finally {
    await lock.release()
  }
}

async function makeParts(context: Context, making: Making): Promise<readonly PartOfManifest[]> {
  const { parts } = making.input
  const made: PartOfManifest[] = []
  // Postgres first: files then hold at least what its rows refer to.
  if (parts.includes('postgres')) made.push(await backUpPostgres(context, making))
  if (parts.includes('duckdb')) made.push(await backUpDatabases(context, making))
  if (parts.includes('config')) made.push(await backUpConfig(context, making))
  return made
}

type Given = Pick<
  Manifest,
  | 'id'
  | 'repositoryId'
  | 'kind'
  | 'label'
  | 'profile'
  | 'parts'
  | 'startedAt'
  | 'finishedAt'
  | 'encryption'
>

function assemble(parts: readonly PartOfManifest[], given: Given): Manifest {
  const problems = parts.flatMap((part) => part.problems ?? [])
  const whole: Omit<Manifest, 'totals'> = {
    format: manifestFormat,
    ...given,
    status: problems.length === 0 ? 'complete' : 'partial',
    problems,
    notes: parts.flatMap((part) => part.notes ?? []),
    host: hostname(),
    programVersion: programVersion(),
    nodeVersion: process.version,
    dataFolders: [...new Set(parts.flatMap((part) => part.dataFolders ?? []))],
    postgres: parts.find((part) => part.postgres)?.postgres ?? null,
    duckdb: parts.flatMap((part) => part.duckdb ?? []),
    results: parts.flatMap((part) => part.results ?? []),
    datasourceKey: parts.find((part) => part.datasourceKey)?.datasourceKey ?? null,
    config: parts.find((part) => part.config)?.config ?? null,
    envFiles: parts.flatMap((part) => part.envFiles ?? []),
  }
  const objects = objectsOf(whole)
  return {
    ...whole,
    totals: {
      objects: objects.length,
      storedBytes: objects.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
      plainBytes: objects.reduce((sum, { plainBytes }) => sum + plainBytes, 0),
      rows: whole.postgres?.tables.reduce((sum, { rows }) => sum + rows, 0) ?? 0,
    },
  }
}

/** What the file system or the database says is told with where; everything else says itself what it is. */
function codedError(error: unknown, folder: string, label: string): unknown {
  const isOfFile = error instanceof Error && 'path' in error
  if (!isOfFile && isDatabaseError(error)) return databaseError(error, label)
  return error instanceof Error && 'syscall' in error ? fileError(error, folder) : error
}
