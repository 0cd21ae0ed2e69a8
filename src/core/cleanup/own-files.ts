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

/** The files of the own data folder, as far as cleanup touches them. */
export class OwnFiles {
  readonly folder: DataFolder
  private readonly dryRun: boolean
  private readonly problems: Problems

  constructor(folder: DataFolder, options: { dryRun: boolean; problems: Problems }) {
    this.folder = folder
    this.dryRun = options.dryRun
    this.problems = options.problems
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
  async remove(file: string): Promise<number | undefined> {
    try {
      const { size } = await lstat(file)
      if (!this.dryRun) await rm(file)
      return size
    } catch (error) {
      if (errorCodeOf(error) !== 'ENOENT') this.problems.add(`${file}: ${messageOf(error)}`)
      return undefined
    }
  }

  /** The same for a folder with all that is in it. */
  async removeFolder(folder: string): Promise<Removed | undefined> {
    try {
      const removed = await sizeOf(folder)
      if (!this.dryRun) await rm(folder, { recursive: true, force: true })
      return removed
    } catch (error) {
      if (errorCodeOf(error) !== 'ENOENT') this.problems.add(`${folder}: ${messageOf(error)}`)
      return undefined
    }
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
      if (errorCodeOf(error) !== 'ENOENT') this.problems.add(`${folder}: ${messageOf(error)}`)
      return []
    }
  }

  /** Age and size; undefined when it has gone meanwhile. */
  async look(file: string): Promise<{ ageMs: number; size: number } | undefined> {
    const found = await lstat(file).catch(() => undefined)
    // The clock of the machine that the folder belongs to, as far as we know it.
    return found && { ageMs: Date.now() - found.mtimeMs, size: found.size }
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
