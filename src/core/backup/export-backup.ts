import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { link, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { create } from 'tar'
import type { Context } from '../context.ts'
import { KilnError, errorCodeOf } from '../errors/index.ts'
import { fileError, fileExists, syncFolder } from '../os/index.ts'
import { layout, setsFolderOf } from './layout.ts'
import { objectsOf } from './manifest.ts'
import { openSet } from './open-set.ts'
import { type OnBackupProgress, PhaseMeter } from './progress.ts'
import { lockRepository } from './repository-lock.ts'
import { openRepository } from './repository.ts'
import { verifyObjects } from './verify-objects.ts'

export interface ExportBackupInput {
  readonly repository: string
  readonly set: string
  /** The archive; must not be there unless `force`. */
  readonly file: string
  readonly force?: boolean | undefined
  readonly waitMs?: number | undefined
  readonly onProgress?: OnBackupProgress | undefined
}

const restAfterMs = 600_000

export interface ExportedBackup {
  readonly id: string
  readonly file: string
  readonly sizeBytes: number
  /** SHA-256 of the archive. */
  readonly sha256: string
  /** SHA-256 of the manifest, which names the SHA-256 of all else. */
  readonly digest: string
  readonly objects: number
}

/**
 * Writes a set, verified just before, into one tar archive; its manifest is the last entry, so that an
 * archive that was cut between two entries has none.
 *
 * @throws KilnError FILE_EXISTS, BACKUP_NOT_FOUND, BACKUP_DAMAGED, DISK_FULL.
 */
export async function exportBackup(
  { database, signal }: Pick<Context, 'database' | 'signal'>,
  input: ExportBackupInput,
): Promise<ExportedBackup> {
  const repository = await openRepository(input.repository)
  const file = path.resolve(input.file)
  if (!input.force && (await fileExists(file))) throw exists(file)
  const lock = await lockRepository(repository, {
    purpose: 'kiln backup export',
    readsOnly: true,
    waitMs: input.waitMs ?? 0,
    signal,
    database,
    isDatabaseOptional: true,
  })
  const temporary = `${file}.${randomUUID()}.tmp`
  try {
    const set = await openSet(repository, { name: input.set })
    const meter = new PhaseMeter('export', set.manifest.totals.storedBytes, input.onProgress)
    const findings = await verifyObjects(set, { level: 'full', signal, onBytes: meter.addBytes })
    const [first] = findings
    if (first) {
      throw new KilnError('BACKUP_DAMAGED', `${first.object} is damaged: ${first.reason}`, {
        hint: 'export another set: kiln backup list',
        details: { findings },
      })
    }
    const objects = objectsOf(set.manifest)
    const names = [...objects.map((object) => object.path), layout.manifestFile]
    await removeUnfinishedExports(file)
    const pack = create(
      { cwd: setsFolderOf(repository.path), portable: true, strict: true },
      names.map((name) => `${set.id}/${name}`),
    )
    const out = createWriteStream(temporary, { flags: 'wx', mode: 0o600 })
    await pipeline(pack as unknown as AsyncIterable<Buffer>, out, { signal })
    const sha256 = await syncAndHash(temporary, signal)
    await giveName(temporary, file, input.force ?? false)
    const { size } = await stat(file)
    return {
      id: set.id,
      file,
      sizeBytes: size,
      sha256,
      digest: set.digest,
      objects: objects.length,
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof Error && 'syscall' in error ? fileError(error, file) : error
  } finally {
    await rm(temporary, { force: true })
    await lock.release()
  }
}

/** What killed exports of the same name have left: one that lives writes all the time. */
async function removeUnfinishedExports(file: string): Promise<void> {
  const folder = path.dirname(file)
  const stem = path.basename(file)
  const isRest = (name: string): boolean =>
    name.startsWith(stem) && /^\.[0-9a-f-]{36}\.tmp$/.test(name.slice(stem.length))
  for (const name of (await readdir(folder)).filter(isRest)) {
    const rest = path.join(folder, name)
    // Another export of that name may have just put its own into place.
    const found = await stat(rest).catch(() => undefined)
    if (found && Date.now() - found.mtimeMs > restAfterMs) await rm(rest, { force: true })
  }
}

async function syncAndHash(file: string, signal: AbortSignal): Promise<string> {
  const handle = await open(file, 'r+')
  try {
    await handle.chmod(0o600)
    await handle.sync()
  } finally {
    await handle.close()
  }
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 512 * 1024, signal })) {
    hash.update(chunk as Buffer)
  }
  return hash.digest('hex')
}

async function giveName(temporary: string, file: string, force: boolean): Promise<void> {
  try {
    if (force) await rename(temporary, file)
    // link(2) fails when somebody has taken the name meanwhile.
    else await link(temporary, file)
    await syncFolder(path.dirname(file))
  } catch (error) {
    throw errorCodeOf(error) === 'EEXIST' ? exists(file) : fileError(error, file)
  }
}

const exists = (file: string): KilnError =>
  new KilnError('FILE_EXISTS', `${file} exists`, {
    hint: 'choose another name, or add --force to write over it',
  })
