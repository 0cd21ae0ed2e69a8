import { lstat, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { errorCodeOf, messageOf } from '../errors/index.ts'
import type { DataFolder } from '../os/index.ts'
import { resultFile } from '../results/index.ts'
import type { NamedFile } from './batch.ts'
import type { Problems } from './cleanup-report.ts'

export interface Removed {
  readonly files: number
  readonly bytes: number
}

export interface OwnFilesOptions {
  readonly dryRun: boolean
  readonly problems: Problems
  /** Awaited once, before the first file goes; with its error none goes. */
  readonly beforeFirst?: () => Promise<void>
}

/** The files of the own data folder, as far as cleanup touches them. */
export class OwnFiles {
  readonly folder: DataFolder
  private readonly options: OwnFilesOptions
  private isFirst = true

  constructor(folder: DataFolder, options: OwnFilesOptions) {
    this.folder = folder
    this.options = options
  }

  /** Deletes results whose rows are gone. Those of other data folders are left to the cleanup there. */
  async removeResults(results: readonly NamedFile[]): Promise<Removed> {
    const total = { files: 0, bytes: 0 }
    for (const { storagePath, dataFolderId } of results) {
      const file = resultFile(this.folder.path, storagePath)
      if (!file || (dataFolderId !== null && dataFolderId !== this.folder.id)) continue
      const bytes = await this.remove(file)
      if (bytes === undefined) continue
      total.files += 1
      total.bytes += bytes
    }
    return total
  }

  /**
   * Deletes a file, never through a link; returns its size, undefined when it was not there or has to
   * stay, which is a problem. In a dry run it only looks.
   */
  remove(file: string): Promise<number | undefined> {
    return this.take(
      file,
      async () => (await lstat(file)).size,
      () => rm(file),
    )
  }

  /** The same for a folder with all that is in it. */
  removeFolder(folder: string): Promise<Removed | undefined> {
    return this.take(
      folder,
      () => sizeOf(folder),
      () => rm(folder, { recursive: true, force: true }),
    )
  }

  /** Entries of a folder; none when it is not there. A link in it is no entry: it may lead out. */
  async list(
    folder: string,
  ): Promise<readonly { readonly name: string; readonly isFolder: boolean }[]> {
    try {
      const entries = await readdir(folder, { withFileTypes: true })
      return entries
        .filter((entry) => entry.isDirectory() || entry.isFile())
        .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
    } catch (error) {
      this.tell(folder, error)
      return []
    }
  }

  /** Age and size; undefined when it has gone meanwhile. */
  async look(file: string): Promise<{ ageMs: number; size: number } | undefined> {
    const found = await lstat(file).catch(() => undefined)
    // The clock of the machine that the folder belongs to, as far as we know it.
    return found && { ageMs: Date.now() - found.mtimeMs, size: found.size }
  }

  private async take<Found>(
    place: string,
    measure: () => Promise<Found>,
    remove: () => Promise<void>,
  ): Promise<Found | undefined> {
    const attempt = async <T>(step: () => Promise<T>): Promise<T | undefined> =>
      step().catch((error: unknown) => {
        this.tell(place, error)
        return undefined
      })
    const found = await attempt(measure)
    if (found === undefined || this.options.dryRun) return found
    if (this.isFirst) await this.options.beforeFirst?.()
    this.isFirst = false
    return attempt(async () => {
      await remove()
      return found
    })
  }

  private tell(place: string, error: unknown): void {
    if (errorCodeOf(error) !== 'ENOENT') this.options.problems.add(`${place}: ${messageOf(error)}`)
  }
}

async function sizeOf(folder: string): Promise<Removed> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const total = { files: 0, bytes: 0 }
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const found = await lstat(path.join(entry.parentPath, entry.name)).catch(() => undefined)
    total.files += 1
    total.bytes += found?.size ?? 0
  }
  return total
}
